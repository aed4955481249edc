"""The part of the CUDA driver interface that a tuner needs, over ctypes: no PyTorch, no headers."""
import ctypes

from library import Missing

_pointer = ctypes.c_uint64


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

    def launcher(self, function, grid, threads, shared, addresses, uniforms):
        """A call that launches the kernel with so much shared memory: buffers are plain pointers, uniforms 32 bits each."""
        if shared > 0:
            # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            self._call("cuFuncSetAttribute", function, ctypes.c_int(8), ctypes.c_int(shared))
        held = [*map(lambda address: _pointer(address.value), addresses), *map(ctypes.c_uint32, uniforms)]
        pointers = (ctypes.c_void_p * len(held))(*(ctypes.addressof(one) for one in held))
        sizes = [ctypes.c_uint(size) for size in (*grid, threads, 1, 1, shared)]

        def launch(held=held):
            self._call("cuLaunchKernel", function, *sizes, ctypes.c_void_p(), pointers, ctypes.c_void_p())

        return launch

    def wait(self):
        self._call("cuCtxSynchronize")

    def seconds(self, launch, repeats):
        """Of one of so many launches, one after another."""
        events = [ctypes.c_void_p(), ctypes.c_void_p()]
        for event in events:
            self._call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
        self._call("cuEventRecord", events[0], ctypes.c_void_p())
        for _ in range(repeats):
            launch()
        self._call("cuEventRecord", events[1], ctypes.c_void_p())
        self._call("cuEventSynchronize", events[1])
        milliseconds = ctypes.c_float()
        self._call("cuEventElapsedTime", ctypes.byref(milliseconds), *events)
        for event in events:
            self._call("cuEventDestroy_v2", event)
        return milliseconds.value / 1000 / repeats
