package token

// Prompt returns the prompt of an object on this frame, nil when there is none.
func (h *Header) Prompt(object int) *Prompt {
	for i := range h.Prompts {
		if h.Prompts[i].Object == object {
			return &h.Prompts[i]
		}
	}
	return nil
}

// Prompted reports whether an object is prompted on this frame.
func (h *Header) Prompted(object int) bool { return h.Prompt(object) != nil }
