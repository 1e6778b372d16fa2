package cuda

import "strings"

// The driver compiles a module of PTX for the GPU at hand as a whole, and a run launches a third of
// the kernels. So each kernel becomes a module of its own, which is compiled when the kernel is
// first asked for, and then kept by the driver.

// split returns the text of every kernel's module, by the kernel's name, in two parts: what stands
// before the first kernel, and the kernel.
func split(ptx string) map[string][2]string {
	const entry = "\n.visible .entry "
	head, rest, _ := strings.Cut(ptx, entry)
	kernels := map[string][2]string{}
	for rest != "" {
		var body string
		body, rest, _ = strings.Cut(rest, entry)
		name, _, _ := strings.Cut(body, "(")
		kernels[name] = [2]string{head, entry + body}
	}
	return kernels
}
