// Package prompts reads boxes and points as they are written on a command line.
package prompts

import "github.com/seed49bbd0e6/tachi/stages/internal/prompt"

// ParseBox reads "x,y,w,h" as on the command line.
func ParseBox(text string) ([]float64, error) { return prompt.ParseBox(text) }

// ParsePoint reads "x,y" or "x,y,label".
func ParsePoint(text string) ([]float64, error) { return prompt.ParsePoint(text) }
