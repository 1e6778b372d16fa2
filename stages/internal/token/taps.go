package token

// Taps are input ports for every type of edge, all optional: what a stage connects that takes
// whatever it is given.
type Taps struct {
	Frame       *Frame        `port:"frame,optional" doc:"decoded picture"`
	Image       *Image        `port:"image,optional" doc:"network input"`
	Features    *Features     `port:"features,optional" doc:"of the image encoder"`
	Conditioned *Conditioned  `port:"conditioned,optional" doc:"of memory attention"`
	Candidates  *Candidates   `port:"candidates,optional" doc:"of the mask decoder"`
	Selection   *Selection    `port:"selection,optional" doc:"of a select stage, device side"`
	Result      *Result       `port:"result,optional" doc:"of a select stage, host side"`
	Bank        *Bank         `port:"bank,optional" doc:"of memory-encode"`
	Report      *MemoryReport `port:"report,optional" doc:"of memory-encode"`
}
