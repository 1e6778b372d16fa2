//go:build !nomedia

package media

/*
#include "shim.h"
*/
import "C"

import (
	"sync"
	"unsafe"

	"github.com/rs/zerolog"
)

// FFmpeg logs from any thread into a ring in C; the messages reach a logger when a Reader or Writer
// next has the floor. They are details (what matters is returned or counted), so they are logged at
// debug level.

var installLog = sync.OnceFunc(func() { C.tachi_log_install() })

// drainLog passes the waiting messages on and returns the last one that an FFmpeg object spoke, ""
// without.
func drainLog(log zerolog.Logger, context unsafe.Pointer) (last string) {
	var m C.tachi_message
	for C.tachi_log_pop(&m) != 0 {
		text := C.GoString(&m.text[0])
		log.Debug().Str("from", "ffmpeg").Msg(text)
		if uintptr(m.context) == uintptr(context) {
			last = text
		}
	}
	return last
}
