// What compilers make of ordinary C: no interrupts, no MMU. Its checksums are the same whatever the options.
#include "runtime.h"

static u64 state = 88172645463325252u;

static u64 random(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

struct context *exception(struct context *context, int vector) {
    print("exception %d esr %x elr %x far %x\n", (u64)vector, READ(esr_el1), context->elr, READ(far_el1));
    power_off();
}

void *memcpy(void *to, const void *from, size_t size) {
    u8 *t = to;
    for (const u8 *f = from; size--;)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, size_t size) {
    for (u8 *t = to; size--;)
        *t++ = byte;
    return to;
}

static u64 divisions(void) {
    u64 sum = 0;
    for (int i = 0; i < 200; i++) {
        u64 a = random(), b = random() >> (random() & 63) | 1;
        int64_t c = (int64_t)random() >> (random() & 63), d = (int64_t)random() >> (random() & 63) | 1;
        sum = sum * 31 + a / b + a % b + (u64)(c / d) + (u64)(c % d) + (u32)a / (u32)(b | 1) + (u64)((int)a % 10007);
        __uint128_t wide = (__uint128_t)a * b + sum;
        sum ^= (u64)(wide >> 64) + (u64)(wide / 1000000007u) + (u64)(((__int128_t)c * d) >> 61);
    }
    return sum;
}

static u64 bits(void) {
    u64 sum = 0;
    for (int i = 0; i < 200; i++) {
        u64 a = random();
        sum = sum * 33 + __builtin_clzll(a | 1) + __builtin_ctzll(a | 1ull << 63) + __builtin_bswap64(a)
            + __builtin_bswap32(a) + __builtin_bswap16(a) + (a >> (a & 63) | a << (-a & 63)) + __builtin_clrsbll(a)
            + ((int64_t)(a << 13) >> 40) + (a & 0x00ff00ff00ff00ffu) + (u64)(int8_t)a + (u64)(int16_t)(a >> 7);
        sum += __builtin_popcountll(a) + __builtin_parityll(a) + (a > sum ? a : sum) + (a & 4 ? 3 : 9);
    }
    return sum;
}

static int compare(const u32 *a, const u32 *b) {
    return (*a > *b) - (*a < *b);
}

static void sort(u32 *values, int count, int (*less)(const u32 *, const u32 *)) {
    while (count > 1) {
        u32 pivot = values[(count - 1) / 2];
        int i = 0, j = count - 1;
        for (;; i++, j--) {
            while (less(&values[i], &pivot) < 0)
                i++;
            while (less(&values[j], &pivot) > 0)
                j--;
            if (i >= j)
                break;
            u32 swap = values[i];
            values[i] = values[j], values[j] = swap;
        }
        sort(values, j + 1, less);
        values += j + 1, count -= j + 1;
    }
}

static u64 sorting(void) {
    static u32 values[300];
    u64 sum = 0;
    for (int i = 0; i < 300; i++)
        values[i] = (u32)random();
    sort(values, 300, compare);
    for (int i = 0; i < 300; i++)
        sum = sum * 1000003 + values[i];
    return sum;
}

static u64 many_arguments(int count, ...) {
    va_list list;
    va_start(list, count);
    u64 sum = 0;
    for (int i = 0; i < count; i++)
        sum = sum * 7 + va_arg(list, u64);
    va_end(list);
    return sum;
}

struct wide {
    u8 small;
    u32 numbers[13];
    u64 big;
    unsigned a : 3, b : 11, c : 18;
};

static struct wide changed(struct wide value, int n) {
    value.numbers[n % 13] += n, value.big *= 3, value.a++, value.b += n, value.c ^= value.b, value.small = value.a;
    return value;
}

static u64 structures(void) {
    struct wide one = {1, {2, 3, 5}, 7, 1, 2, 3}, copies[3];
    for (int n = 0; n < 50; n++)
        copies[n % 3] = one = changed(one, n);
    u64 sum = 0;
    for (int n = 0; n < 3; n++)
        for (int i = 0; i < 13; i++)
            sum = sum * 11 + copies[n].numbers[i] + copies[n].big + copies[n].c;
    return sum;
}

static u64 machine(const char *program) {
    u64 stack[16] = {0}, top = 0;
    for (; *program; program++)
        switch (*program) {
        case '0' ... '9': stack[top++] = *program - '0'; break;
        case '+': top--, stack[top - 1] += stack[top]; break;
        case '-': top--, stack[top - 1] -= stack[top]; break;
        case '*': top--, stack[top - 1] *= stack[top]; break;
        case '/': top--, stack[top - 1] /= stack[top]; break;
        case '^': top--, stack[top - 1] ^= stack[top]; break;
        case 'd': stack[top] = stack[top - 1], top++; break;
        case 's': top--, stack[top - 1] <<= stack[top]; break;
        case '~': stack[top - 1] = ~stack[top - 1]; break;
        default: return ~0ull;
        }
    return stack[0];
}

static u32 checksum(const u8 *data, int size) {
    u32 crc = ~0u;
    while (size--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static u64 fibonacci(int n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

int main(void) {
    static u8 data[512];
    for (int i = 0; i < 512; i++)
        data[i] = (u8)(i * i >> 3);
    print("divisions %x\n", divisions());
    print("bits %x\n", bits());
    print("sorting %x\n", sorting());
    print("arguments %x\n", many_arguments(12, 1ull, 2ull, 3ull, 4ull, 5ull, 6ull, 7ull, 8ull, 9ull, 10ull, 11ull, 12ull));
    print("structures %x\n", structures());
    print("machine %x\n", machine("12+d*3s~9^7-3/"));
    print("checksum %x\n", (u64)checksum(data, 512));
    print("fibonacci %d\n", fibonacci(14));
    return 0;
}
