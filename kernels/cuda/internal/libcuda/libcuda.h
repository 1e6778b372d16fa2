// libcuda_load loads the library and fills the jumps. It returns NULL or what the loader says.
const char *libcuda_load(void);
// libcuda_init calls the real cuInit.
int libcuda_init(void);
