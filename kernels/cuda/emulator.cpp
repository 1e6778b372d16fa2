//go:build !cuda

#include "device.cuh"
#include "all.cu"

#include "emulator_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

float from_f16(uint16_t h) { return (float)__builtin_bit_cast(_Float16, h); }
unsigned round_f16(float f) { return __builtin_bit_cast(uint16_t, (_Float16)f); }

namespace emulator {

fiber *self;
dim3 block_index, block_dim, grid_dim;
unsigned char *shared;
entry *entry::all;

enum { READY, AT_BARRIER, AT_WARP, DONE };
enum { STACK = 64 << 10, THREADS = 1024, SHARED = 228 << 10, CANARY = 256 };

static fiber fibers[THREADS];
static exchange exchanges[THREADS / 32][2];
static unsigned char *stacks, *memory;
static void *scheduler;
static const entry *current;
static const void *arguments;
static uint64_t seed = 1;

// Switches stacks: saves what a call must keep, and goes on where `to` was saved.
extern "C" void emulator_switch(void **save, void *to);
__asm__(".text\n"
        ".globl emulator_switch\n"
        ".type emulator_switch,@function\n"
        "emulator_switch:\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        "ret\n"
        ".size emulator_switch,.-emulator_switch\n");

static void yield(int state) {
    self->state = state;
    emulator_switch(&self->stack_pointer, scheduler);
}

static void body() {
    current->run(arguments);
    yield(DONE);
    __builtin_trap();
}

static unsigned draw(unsigned n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

void barrier() { yield(AT_BARRIER); }

void warp_barrier() {
    give();
    meet(32);
}

unsigned *give() { return exchanges[self->warp][self->turn % 2].word[self->lane]; }

exchange *meet(unsigned lanes) {
    exchange *e = &exchanges[self->warp][self->turn % 2];
    self->turn++;
    if (++e->arrived < lanes) {
        yield(AT_WARP);
        return e;
    }
    e->arrived = 0;
    for (int i = 0; i < 32; i++) fibers[self->warp * 32 + i].state = READY;
    yield(READY); // so that no lane goes first always
    return e;
}

// Runs one block; returns what is wrong, or nothing.
static const char *run_block(unsigned threads) {
    memset(exchanges, 0, sizeof exchanges);
    for (unsigned i = 0; i < threads; i++) {
        fiber &f = fibers[i];
        f = fiber{};
        f.thread = {i % block_dim.x, i / block_dim.x % block_dim.y, i / (block_dim.x * block_dim.y)};
        f.lane = i % 32, f.warp = i / 32;
        void **top = (void **)(stacks + (size_t)(i + 1) * STACK) - 1; // a function begins 8 bytes past a multiple of 16
        *--top = (void *)body;
        for (int r = 0; r < 6; r++) *--top = nullptr;
        f.stack_pointer = top;
    }
    static unsigned order[THREADS];
    for (unsigned i = 0; i < threads; i++) order[i] = i;
    for (;;) {
        unsigned done = 0, waiting = 0, ran = 0;
        for (unsigned i = threads - 1; i > 0; i--) {
            unsigned j = draw(i + 1), t = order[i];
            order[i] = order[j], order[j] = t;
        }
        for (unsigned i = 0; i < threads; i++) {
            self = &fibers[order[i]];
            if (self->state == READY) {
                emulator_switch(&scheduler, self->stack_pointer);
                ran++;
            }
        }
        for (unsigned i = 0; i < threads; i++) {
            done += fibers[i].state == DONE;
            waiting += fibers[i].state == AT_BARRIER;
        }
        if (done == threads) return nullptr;
        if (waiting == threads) {
            for (unsigned i = 0; i < threads; i++) fibers[i].state = READY;
        } else if (waiting + done == threads) {
            return "some threads of a block ended while others wait at a barrier";
        } else if (!ran) {
            return "some threads wait at a barrier, others for the lanes of their warp";
        }
    }
}

} // namespace emulator

using namespace emulator;

void *emulator_alloc(size_t bytes) {
    size_t size = (bytes + 255) & ~(size_t)255;
    void *p = aligned_alloc(256, size);
    if (p) ASAN_POISON_MEMORY_REGION((char *)p + bytes, size - bytes);
    return p;
}

const char *emulator_launch(const char *name, const unsigned *grid, const unsigned *block, size_t bytes, const void *args, size_t size, uint64_t order) {
    static char message[256];
    unsigned threads = block[0] * block[1] * block[2];
    current = nullptr;
    for (entry *e = entry::all; e; e = e->next)
        if (!strcmp(e->name, name)) current = e;
    if (!current) {
        snprintf(message, sizeof message, "no kernel %s", name);
        return message;
    }
    if (current->size != size) {
        snprintf(message, sizeof message, "%s takes %zu bytes of arguments, not %zu", name, current->size, size);
        return message;
    }
    if (threads == 0 || threads % 32 || threads > THREADS || bytes + CANARY > SHARED) {
        snprintf(message, sizeof message, "%s: a block of %u threads with %zu bytes of shared memory", name, threads, bytes);
        return message;
    }
    if (!stacks) {
        stacks = (unsigned char *)mmap(nullptr, (size_t)THREADS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        memory = (unsigned char *)aligned_alloc(1024, SHARED);
    }
    if (!args) return nullptr; // only asked whether there is such a kernel
    seed = order;
    arguments = args;
    grid_dim = {grid[0], grid[1], grid[2]};
    block_dim = {block[0], block[1], block[2]};
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1]; y++)
            for (unsigned x = 0; x < grid[0]; x++) {
                block_index = {x, y, z};
                shared = memory;
                memset(memory, 0xff, bytes + CANARY);
                ASAN_POISON_MEMORY_REGION(memory + bytes, SHARED - bytes);
                const char *wrong = run_block(threads);
                ASAN_UNPOISON_MEMORY_REGION(memory + bytes, SHARED - bytes);
                for (int i = 0; i < CANARY && !wrong; i++)
                    if (memory[bytes + i] != 0xff) wrong = "wrote beyond its shared memory";
                if (wrong) {
                    snprintf(message, sizeof message, "%s: %s", name, wrong);
                    return message;
                }
            }
    return nullptr;
}
