package main

import (
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
)

// once logs a message that a user needs to see one time only. That it was seen is an empty file in
// the user's cache folder; where there is none to write to, the message comes again.
func (a *app) once(name, message string) {
	if a.log.GetLevel() > zerolog.InfoLevel {
		return // not seen
	}
	if cache, err := os.UserCacheDir(); err == nil {
		seen := filepath.Join(cache, "tachi", "seen-"+name)
		if _, err := os.Stat(seen); err == nil {
			return
		}
		if os.MkdirAll(filepath.Dir(seen), 0o755) == nil {
			_ = os.WriteFile(seen, nil, 0o644)
		}
	}
	a.log.Info().Msg(message)
}
