// A kernel of a teaching kind: it runs two processes at EL0 in address spaces of their own, with demand paging,
// copy on write, preemption and the system calls that a static C program makes. USER_PROGRAM is that program.
#include "runtime.h"

#define TICK 31250 // of the counter, 62.5 MHz
#define PAGE 4096
#define STACK_TOP 0x3fff0000u
#define HEAP 0x20000000u
enum { RUNNING, ENDED };

asm(".section .rodata\n.balign 16\nprogram:\n.incbin \"" USER_PROGRAM "\"\nprogram_end:\n.text\n");
extern const u8 program[];

static u64 pool[400][PAGE / 8] __attribute__((aligned(PAGE)));
static u64 pool_used;
static u64 zeros[PAGE / 8] __attribute__((aligned(PAGE)));

struct process {
    struct context *context;
    u64 *table, asid, heap_end, faults, copies, switches;
    int state;
    char output[1500];
    u64 printed;
    u8 simd[34 * 16] __attribute__((aligned(16)));
    u8 stack[4 * PAGE] __attribute__((aligned(16)));
};
static struct process processes[2];
static int current;
static u64 undefined;

void *memset(void *to, int byte, size_t size) {
    for (u8 *t = to; size--;)
        *t++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t size) {
    u8 *t = to;
    const u8 *f = from;
    for (; size >= 8; size -= 8, t += 8, f += 8)
        *(u64 *)t = *(const u64 *)f;
    while (size--)
        *t++ = *f++;
    return to;
}

static u64 *new_page(void) {
    if (pool_used == 400) {
        print("out of memory\n");
        power_off();
    }
    return pool[pool_used++];
}

// Tables: 39 bits, three levels. What differs between processes lies in the first GB.

static u64 *entry(struct process *process, u64 address) {
    u64 *table = process->table;
    for (int level = 1; level < 3; level++) {
        u64 *place = &table[address >> (39 - 9 * level) & 511];
        if (!*place)
            *place = (u64)new_page() | 3;
        table = (u64 *)(*place & 0x7ffffff000);
    }
    return &table[address >> 12 & 511];
}

#define USER (3 | 1 << 6 | 1 << 10 | 3 << 8 | 1 << 2 | 1 << 11) // page, EL0, AF, inner shareable, Normal, nG
#define READ_ONLY (1 << 7)
#define NO_EXECUTE (3ull << 53)

static void map(struct process *process, u64 address, u64 *page, u64 more) {
    *entry(process, address) = (u64)page | USER | more;
    asm volatile("dsb ishst\n tlbi vae1is, %0\n dsb ish\n isb" : : "r"(process->asid << 48 | address >> 12) : "memory");
}

struct elf {
    u8 ident[16];
    uint16_t type, machine;
    u32 version;
    u64 entry, programs, sections;
    u32 flags;
    uint16_t size, program_size, program_count;
};
struct segment {
    u32 type, flags;
    u64 offset, address, physical, file_size, size, align;
};

static const struct segment *segment_of(u64 address) {
    const struct elf *elf = (const void *)program;
    const struct segment *segment = (const void *)(program + elf->programs);
    for (int n = 0; n < elf->program_count; n++, segment++)
        if (segment->type == 1 && address >= (segment->address & -PAGE) && address < segment->address + segment->size)
            return segment;
    return NULL;
}

static u64 *filled(const struct segment *segment, u64 address) {
    u8 *page = (u8 *)new_page();
    u64 first = address < segment->address ? segment->address - address : 0;
    u64 end = segment->address + segment->file_size, last = address + PAGE < end ? PAGE : address < end ? end - address : 0;
    if (first < last)
        memcpy(page + first, program + segment->offset + address + first - segment->address, last - first);
    asm volatile("dsb ish\n ic iallu\n dsb ish\n isb" : : : "memory");
    return (u64 *)page;
}

// 1: the access is right now.
static int page_fault(struct process *process, u64 address, u64 syndrome) {
    u64 page = address & -PAGE, kind = syndrome & 0x3c, writes = syndrome >> 6 & 1;
    const struct segment *segment = segment_of(address);
    process->faults++;
    if (kind == 4 && segment) // translation
        map(process, page, filled(segment, page), segment->flags & 2 ? NO_EXECUTE : READ_ONLY);
    else if (kind == 4 && ((address >= HEAP && address < process->heap_end) || (address < STACK_TOP && address > STACK_TOP - 0x40000)))
        map(process, page, writes ? new_page() : zeros, NO_EXECUTE | (writes ? 0 : READ_ONLY));
    else if (kind == 12 && writes && (*entry(process, page) & 0x7ffffff000) == (u64)zeros) // permission
        process->copies++, map(process, page, new_page(), NO_EXECUTE);
    else
        return 0;
    return 1;
}

// System calls: the numbers and structures are Linux's.

static void end(struct process *process, const char *why, u64 value) {
    process->state = ENDED;
    char *to = process->output + process->printed;
    while (*why)
        *to++ = *why++;
    for (int shift = 28; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    *to++ = '\n';
    process->printed = to - process->output;
}

static u64 written(struct process *process, const char *from, u64 size) {
    for (u64 n = 0; n < size && process->printed < sizeof process->output - 40; n++)
        process->output[process->printed++] = from[n];
    return size;
}

static u64 system_call(struct process *process, struct context *context) {
    u64 *x = context->x;
    switch (x[8]) {
    case 64: return written(process, (char *)x[1], x[2]); // write
    case 66: {                                            // writev
        u64 sum = 0;
        for (u64 n = 0, *vector = (u64 *)x[1]; n < x[2]; n++, vector += 2)
            sum += written(process, (char *)vector[0], vector[1]);
        return sum;
    }
    case 94: return end(process, "exit ", x[0]), 0; // exit_group
    case 96: return 1;                              // set_tid_address
    case 214:                                       // brk
        if (x[0] >= HEAP && x[0] < HEAP + 0x100000)
            process->heap_end = x[0];
        return process->heap_end;
    case 226: return 0; // mprotect
    default: return -38; // ENOSYS
    }
}

// What EL0 may not read itself Linux shows it all the same.
static int emulate(struct context *context) {
    u32 word = *(u32 *)context->elr, rt = word & 31;
    if ((word & 0xffff0000) != 0xd5380000) // MRS of op0 3, op1 0, CRn 0
        return 0;
    u64 value = (word >> 5 & 0x7ff) == 0 ? READ(midr_el1) : 0;
    undefined++;
    if (rt != 31)
        context->x[rt] = value;
    context->elr += 4;
    return 1;
}

static struct context *switch_to(int next) {
    if (next != current)
        save_simd(processes[current].simd), load_simd(processes[next].simd), processes[next].switches++;
    current = next;
    struct process *process = &processes[next];
    WRITE(ttbr0_el1, (u64)process->table | process->asid << 48);
    ISB();
    return process->context;
}

static void report(void) {
    WRITE(cntv_ctl_el0, 0);
    for (int n = 0; n < 2; n++) {
        struct process *process = &processes[n];
        process->output[process->printed] = 0;
        print("%s%d faults, %d copies, %s\n", process->output, process->faults, process->copies,
              process->switches > 2 ? "preempted" : "not preempted");
    }
    print("%d registers emulated, %d pages\n", undefined, pool_used);
    power_off();
}

static struct context *other(void) {
    int next = !current;
    if (processes[next].state == ENDED)
        next = current;
    if (processes[next].state == ENDED)
        report();
    return switch_to(next);
}

struct context *exception(struct context *context, int vector) {
    struct process *process = &processes[current];
    process->context = context;
    u64 syndrome = READ(esr_el1), ec = syndrome >> 26, far = READ(far_el1);
    if (vector == 9 || vector == 5) { // IRQ
        u64 intid = gic_acknowledge();
        WRITE(cntv_tval_el0, TICK);
        gic_end(intid);
        return vector == 9 ? other() : context;
    }
    if (ec == 0x15)
        context->x[0] = system_call(process, context);
    else if ((ec == 0x24 || ec == 0x20 || ec == 0x25) && page_fault(process, far, ec == 0x20 ? syndrome & 0x3f : syndrome))
        return context;
    else if (vector == 8 && ec == 0 && emulate(context))
        return context;
    else if (vector == 8) {
        end(process, "killed, ESR ", syndrome);
        end(process, "FAR ", far);
    } else {
        print("exception %d esr %x elr %x far %x\n", (u64)vector, syndrome, context->elr, far);
        power_off();
    }
    return process->state == ENDED ? other() : context;
}

static u64 push_text(u64 *sp, const char *text) {
    u64 size = 0;
    while (text[size++])
        ;
    *sp -= size;
    for (u64 n = 0; n < size; n++)
        ((char *)*sp)[n] = text[n];
    return *sp;
}

// The stack as Linux hands it to a program: arguments, environment, auxiliary vector.
static void create(int number, const char *name, const char *argument, const char *more) {
    struct process *process = &processes[number];
    process->table = new_page();
    process->table[1] = 0x40000000 | 0x705; // the kernel: a block of 1 GB, for EL1 only
    process->asid = number + 1;
    process->heap_end = HEAP;
    u64 *device = entry(process, 0x08000000); // makes the level 2 table
    (void)device;
    u64 *level2 = (u64 *)(process->table[0] & 0x7ffffff000);
    for (u64 block = 0x08000000; block < 0x0a000000; block += 0x200000)
        level2[block >> 21] = block | 0x401 | NO_EXECUTE;
    current = number;
    switch_to(number);
    u64 sp = STACK_TOP, texts[4];
    texts[0] = push_text(&sp, name), texts[1] = push_text(&sp, argument);
    texts[2] = more ? push_text(&sp, more) : 0, texts[3] = push_text(&sp, "HOME=/here");
    u64 random = push_text(&sp, "0123456789abcdef");
    sp = (sp & -16) - 256;
    const struct elf *elf = (const void *)program;
    u64 *to = (u64 *)sp;
    *to++ = more ? 3 : 2;
    for (int n = 0; n < (more ? 3 : 2); n++)
        *to++ = texts[n];
    *to++ = 0, *to++ = texts[3], *to++ = 0;
    u64 auxiliary[] = {3, 0x400000 + elf->programs, 4, elf->program_size, 5, elf->program_count, 6, PAGE,
                       9, elf->entry, 16, 3 | 1 << 7 | 1 << 11, 25, random, 31, texts[0], 0, 0}; // FP, ASIMD, CRC32, CPUID
    for (u64 n = 0; n < sizeof auxiliary / 8; n++)
        *to++ = auxiliary[n];
    process->context = (struct context *)(process->stack + sizeof process->stack) - 1;
    process->context->elr = elf->entry;
    process->context->sp_el0 = sp;
    process->context->spsr = 0; // EL0, interrupts on
}

int main(void) {
    WRITE(sctlr_el1, READ(sctlr_el1) | 1 << 26 | 1 << 15 | 1 << 14); // UCI, UCT, DZE: EL0 may use the caches
    WRITE(cntkctl_el1, 2); // and read the virtual counter
    ISB();
    create(0, "first", "200000", NULL);
    create(1, "second", "0x30d40", "falls");
    gic_init_distributor();
    gic_init_cpu(0);
    WRITE(cntv_tval_el0, TICK);
    WRITE(cntv_ctl_el0, 1);
    current = 1;
    resume(switch_to(0));
}
