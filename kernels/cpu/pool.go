package cpu

import "sync"

// pool runs tasks on at most n threads of control at a time, whoever asks.
//
// A job is a function over 0..tasks-1. Jobs wait in one queue; a free worker takes the next task of
// the first job, so that jobs of concurrent callers are finished in the order in which they came
// and the last tasks of one overlap with the first of the next. The right to run is an id in
// 0..n-1, which is also the index of the scratch memory that a task may use. The caller itself
// takes an id if one is free, which spares small jobs the way through another goroutine.
type pool struct {
	n    int
	mu   sync.Mutex
	work *sync.Cond // there may be an id and a task for a worker, or the pool is closed
	ids  []int      // free
	jobs []*job     // with tasks that nobody has taken
	done bool
	live sync.WaitGroup
}

type job struct {
	run   func(task, worker int)
	tasks int
	next  int  // the next task to hand out
	left  int  // tasks not finished
	waits bool // its caller waits for an id
	over  chan struct{}
	panic any // the first one of a task, raised again in the caller
}

func newPool(n int) *pool {
	p := &pool{n: n}
	p.work = sync.NewCond(&p.mu)
	for id := range n {
		p.ids = append(p.ids, n-1-id)
	}
	p.live.Add(n - 1)
	for range n - 1 { // the caller is the n-th
		go p.worker()
	}
	return p
}

// parallel calls run(task, worker) for every task below n and returns when all have returned. A
// task must not call parallel. Tasks of one worker never overlap.
func (d *Device) parallel(n int, run func(task, worker int)) { d.pool.do(n, run) }

func (p *pool) do(tasks int, run func(task, worker int)) {
	if tasks <= 0 {
		return
	}
	j := &job{run: run, tasks: tasks, left: tasks, over: make(chan struct{})}
	p.mu.Lock()
	p.jobs = append(p.jobs, j)
	if tasks > 1 {
		p.work.Broadcast()
	}
	// Work until the tasks of this job are taken, on those of earlier jobs too: they come first.
	// Without a free id others hold all of them: wait for one.
	for j.next < j.tasks {
		if len(p.ids) > 0 {
			p.step(p.jobs[0])
		} else {
			j.waits = true
			p.work.Wait()
			j.waits = false
		}
	}
	if len(p.jobs) > 0 {
		p.work.Broadcast() // the id that was given up here is for someone else
	}
	p.mu.Unlock()
	if <-j.over; j.panic != nil {
		panic(j.panic)
	}
}

// worker runs tasks of the first job until the pool is closed.
func (p *pool) worker() {
	defer p.live.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.done:
			return
		case len(p.jobs) > 0 && len(p.ids) > 0:
			p.step(p.jobs[0])
		default:
			p.work.Wait()
		}
	}
}

// step runs one task of a job that has one left, under an id. It is called with the lock held and
// an id free.
func (p *pool) step(j *job) {
	id := p.ids[len(p.ids)-1]
	p.ids = p.ids[:len(p.ids)-1]
	task := j.next
	if j.next++; j.next == j.tasks {
		p.remove(j)
		if j.waits {
			p.work.Broadcast() // others did it all: its caller need not wait for an id any more
		}
	}
	p.mu.Unlock()
	raised := j.try(task, id)
	p.mu.Lock()
	if j.panic == nil {
		j.panic = raised
	}
	p.ids = append(p.ids, id)
	if j.left--; j.left == 0 {
		close(j.over)
	}
}

// try runs a task and returns its panic, so that it ends the op that it belongs to and not the
// process.
func (j *job) try(task, worker int) (raised any) {
	defer func() { raised = recover() }()
	j.run(task, worker)
	return nil
}

func (p *pool) remove(j *job) {
	for i := range p.jobs {
		if p.jobs[i] == j {
			p.jobs = append(p.jobs[:i], p.jobs[i+1:]...)
			return
		}
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.done = true
	p.work.Broadcast()
	p.mu.Unlock()
	p.live.Wait()
}
