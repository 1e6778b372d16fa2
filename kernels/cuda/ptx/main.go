//go:build ptx

// Command ptx compiles the kernels to PTX with NVRTC, NVIDIA's compiler as a library: neither nvcc
// nor a GPU is needed.
//
//	NVRTC=/path/to/libnvrtc.so.12 go run -tags ptx ./kernels/cuda/ptx kernels/cuda
//
// The toolkit that the library is of sets the oldest driver that takes the PTX.
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

typedef struct program program;

static int (*version)(int *, int *);
static int (*create)(program **, const char *, const char *, int, const char *const *, const char *const *);
static int (*compile)(program *, int, const char *const *);
static int (*ptx_size)(program *, size_t *);
static int (*ptx)(program *, char *);
static int (*log_size)(program *, size_t *);
static int (*log_text)(program *, char *);

static const char *load(const char *path) {
	void *lib = dlopen(path, RTLD_NOW);
	if (!lib) return dlerror();
	version = dlsym(lib, "nvrtcVersion");
	create = dlsym(lib, "nvrtcCreateProgram");
	compile = dlsym(lib, "nvrtcCompileProgram");
	ptx_size = dlsym(lib, "nvrtcGetPTXSize");
	ptx = dlsym(lib, "nvrtcGetPTX");
	log_size = dlsym(lib, "nvrtcGetProgramLogSize");
	log_text = dlsym(lib, "nvrtcGetProgramLog");
	return version && create && compile && ptx_size && ptx && log_size && log_text ? NULL : "not NVRTC";
}

static int start(int *major, int *minor, program **p, const char *text, const char *name) {
	version(major, minor);
	return create(p, text, name, 0, NULL, NULL);
}
static int run(program *p, int n, char **options) { return compile(p, n, (const char *const *)options); }
static char *text_of(program *p, int (*size)(program *, size_t *), int (*get)(program *, char *)) {
	size_t n;
	if (size(p, &n)) return NULL;
	char *s = calloc(n + 1, 1);
	get(p, s);
	return s;
}
static char *log_of(program *p) { return text_of(p, log_size, log_text); }
static char *ptx_of(program *p) { return text_of(p, ptx_size, ptx); }
*/
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/seed49bbd0e6/tachi/kernels/cuda/ptx/mark"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ptx FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ptx:", err)
		os.Exit(1)
	}
}

// write makes kernels.ptx of all.cu in a folder.
func write(dir string) error {
	want, err := mark.Of(os.DirFS(dir))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "all.cu"))
	if err != nil {
		return err
	}
	ptx, err := compile(string(text), "--gpu-architecture=compute_80", "--std=c++17", "--include-path="+dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "kernels.ptx"), []byte(want+"\n"+ptx), 0o644)
}

// compile returns the PTX of a source text. Warnings go to standard error.
func compile(source string, options ...string) (string, error) {
	library := cmp.Or(os.Getenv("NVRTC"), "libnvrtc.so.12")
	if e := C.load(C.CString(library)); e != nil {
		return "", fmt.Errorf("%s: set NVRTC to the path of libnvrtc.so.12", C.GoString(e))
	}
	var major, minor C.int
	var p *C.program
	if r := C.start(&major, &minor, &p, C.CString(source), C.CString("all.cu")); r != 0 {
		return "", fmt.Errorf("nvrtcCreateProgram: error %d", r)
	}
	args := (*[16]*C.char)(C.calloc(16, C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	for i, o := range options {
		args[i] = C.CString(o)
	}
	r := C.run(p, C.int(len(options)), &args[0])
	if log := strings.TrimSpace(C.GoString(C.log_of(p))); log != "" {
		fmt.Fprintln(os.Stderr, log)
	}
	if r != 0 {
		return "", errors.New("all.cu does not compile")
	}
	fmt.Fprintf(os.Stderr, "compiled by NVRTC %d.%d\n", major, minor)
	return C.GoString(C.ptx_of(p)), nil
}
