"""The part of the CUDA driver interface that a tuner needs, over ctypes: no PyTorch, no headers."""
import ctypes

from library import Missing

_pointer = ctypes.c_uint64

# what a CUtensorMap takes, and at what its address is aligned
_MAP_BYTES, _MAP_ALIGNED = 128, 64
# CUtensorMapDataType of elements of 2 bytes
_MAP_TYPES = {"f16": 6, "bf16": 9}
# CUtensorMapInterleave NONE, CUtensorMapSwizzle 128B, CUtensorMapL2promotion L2_256B, CUtensorMapFloatOOBfill NONE: as emitted libraries have it
_MAP_WAYS = (0, 3, 3, 0)
# elements of a row of a box: 128 bytes
_MAP_WIDTH = 64


class Driver:
    """A device, its primary context and a stream of launches on it."""

    def __init__(self, path="libcuda.so.1", device=0):
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:
            raise Missing(f"the CUDA driver is not here ({error}): --compile-only does without") from None
        self._call("cuInit", ctypes.c_uint(0))
        handle = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(handle), ctypes.c_int(device))
        name = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", name, ctypes.c_int(256), handle)
        version = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(version))
        # compute capability: attributes 75 and 76 of the driver's interface
        self.capability = tuple(self._attribute(number, handle) for number in (75, 76))
        # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE
        self.multiprocessors, self.cache_bytes = (self._attribute(number, handle) for number in (16, 38))
        self.name = name.value.decode()
        self.version = f"{version.value // 1000}.{version.value % 1000 // 10}"
        context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self._call("cuCtxSetCurrent", context)

    def _attribute(self, number, handle):
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), handle)
        return value.value

    def _call(self, name, *arguments):
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(ctypes.c_int(status), ctypes.byref(text))
            raise RuntimeError(f"{name}: {(text.value or b'').decode() or status}")

    def memory(self, size):
        address = _pointer()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        return address

    def free(self, address):
        self._call("cuMemFree_v2", address)

    def write(self, address, data):
        self._call("cuMemcpyHtoD_v2", address, ctypes.c_char_p(data), ctypes.c_size_t(len(data)))

    def fill(self, address, byte, size):
        self._call("cuMemsetD8_v2", address, ctypes.c_ubyte(byte), ctypes.c_size_t(size))

    def read(self, address, size):
        data = ctypes.create_string_buffer(size)
        self._call("cuMemcpyDtoH_v2", data, address, ctypes.c_size_t(size))
        return data.raw

    def module(self, image):
        handle = ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(handle), ctypes.c_char_p(image))
        return handle

    def unload(self, module):
        self._call("cuModuleUnload", module)

    def function(self, module, name):
        handle = ctypes.c_void_p()
        self._call("cuModuleGetFunction", ctypes.byref(handle), module, name.encode())
        return handle

    def tensor_map(self, elem, address, offset, rows, cols, pitch, box):
        """A tensor map: what the copy engine loads from element `offset` on, in boxes of `box` rows of 64 elements. A parameter."""
        room = ctypes.create_string_buffer(_MAP_BYTES + _MAP_ALIGNED)
        made = (ctypes.c_char * _MAP_BYTES).from_buffer(room, -ctypes.addressof(room) % _MAP_ALIGNED)
        self._call("cuTensorMapEncodeTiled", made, ctypes.c_int(_MAP_TYPES[elem]), ctypes.c_uint32(2), _pointer(address.value + 2 * offset),
                   (ctypes.c_uint64 * 2)(cols, rows), (ctypes.c_uint64 * 1)(2 * pitch), (ctypes.c_uint32 * 2)(_MAP_WIDTH, box),
                   (ctypes.c_uint32 * 2)(1, 1), *map(ctypes.c_int, _MAP_WAYS))
        return made

    @staticmethod
    def pointer(address):
        """A parameter: where a buffer lies."""
        return _pointer(address.value)

    @staticmethod
    def number(value):
        """A parameter: 32 bits."""
        return ctypes.c_uint32(value)

    def launcher(self, function, grid, threads, shared, held):
        """A call that launches the kernel with so much shared memory, and with these parameters."""
        if shared > 0:
            # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            self._call("cuFuncSetAttribute", function, ctypes.c_int(8), ctypes.c_int(shared))
        pointers = (ctypes.c_void_p * len(held))(*(ctypes.addressof(one) for one in held))
        sizes = [ctypes.c_uint(size) for size in (*grid, threads, 1, 1, shared)]

        def launch(held=held):
            self._call("cuLaunchKernel", function, *sizes, ctypes.c_void_p(), pointers, ctypes.c_void_p())

        return launch

    def wait(self):
        self._call("cuCtxSynchronize")

    def seconds(self, launches, repeats):
        """Of one launch, of `repeats` rounds through all of them, one after another."""
        events = [ctypes.c_void_p(), ctypes.c_void_p()]
        for event in events:
            self._call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
        self._call("cuEventRecord", events[0], ctypes.c_void_p())
        for _ in range(repeats):
            for launch in launches:
                launch()
        self._call("cuEventRecord", events[1], ctypes.c_void_p())
        self._call("cuEventSynchronize", events[1])
        milliseconds = ctypes.c_float()
        self._call("cuEventElapsedTime", ctypes.byref(milliseconds), *events)
        for event in events:
            self._call("cuEventDestroy_v2", event)
        return milliseconds.value / 1000 / repeats / len(launches)
