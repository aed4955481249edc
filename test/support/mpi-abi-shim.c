/*
 * A libmpi_abi as MPI 5 defines it, on top of Open MPI: takes the handles of the standard, which are small numbers, and refuses
 * all others. MPI_SHIM_FAILS names a function that returns MPI_ERR_OTHER.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD = 0x101, BYTE = 0x247, ERRORS_RETURN = 0x142, ERR_OTHER = 16 };

static void *open_mpi(void) {
  static void *library = NULL;
  if (!library) library = dlopen("libmpi.so.40", RTLD_NOW | RTLD_GLOBAL);
  if (!library) abort();
  return library;
}

static void *handle_of(intptr_t standard, intptr_t wanted, const char *variable) {
  if (standard != wanted) abort();
  return dlsym(open_mpi(), variable);
}

#define COMM(c) handle_of(c, WORLD, "ompi_mpi_comm_world")
#define TYPE(t) handle_of(t, BYTE, "ompi_mpi_byte")
#define CALL(name, types, ...) \
  (getenv("MPI_SHIM_FAILS") && !strcmp(getenv("MPI_SHIM_FAILS"), name) ? ERR_OTHER : ((int(*) types)dlsym(open_mpi(), name))(__VA_ARGS__))

int MPI_Get_library_version(char *text, int *length) {
  strcpy(text, "shim of the standard interface");
  *length = (int)strlen(text);
  return 0;
}
int MPI_Init(void *argc, void *argv) { return CALL("MPI_Init", (void *, void *), argc, argv); }
int MPI_Comm_set_errhandler(intptr_t comm, intptr_t handler) {
  void *errors = handle_of(handler, ERRORS_RETURN, "ompi_mpi_errors_return");
  return CALL("MPI_Comm_set_errhandler", (void *, void *), COMM(comm), errors);
}
int MPI_Comm_rank(intptr_t comm, int *rank) { return CALL("MPI_Comm_rank", (void *, int *), COMM(comm), rank); }
int MPI_Comm_size(intptr_t comm, int *size) { return CALL("MPI_Comm_size", (void *, int *), COMM(comm), size); }
int MPI_Ibcast(void *data, int count, intptr_t type, int root, intptr_t comm, void *request) {
  return CALL("MPI_Ibcast", (void *, int, void *, int, void *, void *), data, count, TYPE(type), root, COMM(comm), request);
}
int MPI_Ialltoall(void *from, int sent, intptr_t type, void *into, int got, intptr_t as, intptr_t comm, void *request) {
  return CALL("MPI_Ialltoall", (void *, int, void *, void *, int, void *, void *, void *), from, sent, TYPE(type), into, got, TYPE(as), COMM(comm), request);
}
int MPI_Iallgather(void *from, int sent, intptr_t type, void *into, int got, intptr_t as, intptr_t comm, void *request) {
  return CALL("MPI_Iallgather", (void *, int, void *, void *, int, void *, void *, void *), from, sent, TYPE(type), into, got, TYPE(as), COMM(comm), request);
}
int MPI_Test(void *request, int *flag, void *status) { return CALL("MPI_Test", (void *, int *, void *), request, flag, status); }
int MPI_Error_string(int error, char *text, int *length) { return CALL("MPI_Error_string", (int, char *, int *), error, text, length); }
int MPI_Finalize(void) { return CALL("MPI_Finalize", (void)); }
int MPI_Abort(intptr_t comm, int code) { return CALL("MPI_Abort", (void *, int), COMM(comm), code); }
