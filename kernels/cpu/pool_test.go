package cpu

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryTaskRunsOnceWhoeverAsks(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		p := newPool(n)
		var callers sync.WaitGroup
		for c := range 4 {
			callers.Go(func() {
				for round := range 50 {
					ran := make([]int, c*7+round%3)
					p.do(len(ran), func(task, _ int) { ran[task]++ })
					for task, times := range ran {
						if times != 1 {
							t.Errorf("task %d of %d ran %d times", task, len(ran), times)
						}
					}
				}
			})
		}
		callers.Wait()
		p.close()
	}
}

func TestNoMoreTasksRunThanWorkersAndNoneShareScratch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		p := newPool(n)
		var running, most atomic.Int32
		var busy [n]atomic.Bool
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() {
				p.do(10, func(_, worker int) {
					if busy[worker].Swap(true) {
						t.Errorf("two tasks of worker %d at once", worker)
					}
					now := running.Add(1)
					for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
					}
					time.Sleep(time.Millisecond)
					running.Add(-1)
					busy[worker].Store(false)
				})
			})
		}
		start := time.Now()
		callers.Wait()
		if most.Load() != n {
			t.Errorf("%d tasks ran at once, want %d", most.Load(), n)
		}
		if took, want := time.Since(start), 17*time.Millisecond; took != want { // 50 tasks, 3 at a time
			t.Errorf("took %v, want %v: a worker stood still", took, want)
		}
		p.close()
	})
}

func TestJobsAreFinishedInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(2)
		var callers sync.WaitGroup
		var mu sync.Mutex
		var order []int
		for c := range 3 {
			callers.Go(func() {
				time.Sleep(time.Duration(c) * time.Microsecond)
				p.do(8, func(int, int) { time.Sleep(time.Millisecond) })
				mu.Lock()
				order = append(order, c)
				mu.Unlock()
			})
		}
		callers.Wait()
		if got := fmt.Sprint(order); got != "[0 1 2]" {
			t.Errorf("finished in order %s", got)
		}
		p.close()
	})
}

func TestAPanicOfATaskReachesItsCaller(t *testing.T) {
	p := newPool(2)
	defer p.close()
	defer func() {
		if r := recover(); r != "third" {
			t.Errorf("recovered %v", r)
		}
		ran := false
		p.do(1, func(int, int) { ran = true })
		if !ran {
			t.Error("the pool is dead after a panic")
		}
	}()
	p.do(8, func(task, _ int) {
		if task == 3 {
			panic("third")
		}
	})
}

// A caller that waits for a place is woken when a worker has done its whole job without it. In a
// bubble, a caller that sleeps on is a deadlock, which fails.
func TestACallerWakesWhenOthersHaveDoneItsJob(t *testing.T) {
	for _, long := range []int{0, 1} { // whichever of the two tasks the first caller takes itself
		synctest.Test(t, func(t *testing.T) {
			p := newPool(2)
			defer p.close()
			var callers sync.WaitGroup
			callers.Go(func() {
				p.do(2, func(task, _ int) {
					if task == long {
						time.Sleep(3 * time.Second)
					} else {
						time.Sleep(time.Second)
					}
				})
			})
			time.Sleep(time.Second / 2)
			callers.Go(func() { p.do(1, func(int, int) { time.Sleep(5 * time.Second) }) })
			callers.Wait()
		})
	}
}
