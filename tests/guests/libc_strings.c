// The C library's own memory and string functions, which are written with SIMD instructions and DC ZVA.
#include "runtime.h"

struct context *exception(struct context *context, int vector) {
    print("exception %d esr %x elr %x far %x\n", (u64)vector, READ(esr_el1), context->elr, READ(far_el1));
    power_off();
}

void *memcpy(void *, const void *, size_t), *memmove(void *, const void *, size_t), *memset(void *, int, size_t);
void *memchr(const void *, int, size_t), *memrchr(const void *, int, size_t);
int memcmp(const void *, const void *, size_t), strcmp(const char *, const char *);
int strncmp(const char *, const char *, size_t);
size_t strlen(const char *), strnlen(const char *, size_t);
char *strcpy(char *, const char *), *strchr(const char *, int), *strrchr(const char *, int), *strchrnul(const char *, int);

// The functions that glibc chooses among at run time have names of their own.
void *__memcpy_generic(void *, const void *, size_t), *__memmove_generic(void *, const void *, size_t);
void *__memcpy_simd(void *, const void *, size_t), *__memmove_simd(void *, const void *, size_t);
void *__memset_generic(void *, int, size_t), *__memchr_generic(const void *, int, size_t);
size_t __strlen_asimd(const char *), __strlen_mte(const char *);

#define SIZE 1400
static u8 here[SIZE], there[SIZE], expected[SIZE];
static u64 state = 88172645463325252u;

static u64 random(u64 limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % limit;
}

static void fill(void) {
    for (int i = 0; i < SIZE; i++)
        here[i] = (u8)(random(250) + 1), there[i] = expected[i] = (u8)i;
}

static int failures;

static void check(const char *what, u64 size, int good) {
    if (!good && failures++ < 20)
        print("%s of %d is wrong\n", what, size);
}

static int same(void) {
    u64 sum = 0;
    for (int i = 0; i < SIZE; i++)
        sum |= there[i] ^ expected[i];
    return !sum;
}

static void copies(u64 size) {
    u64 from = random(40), to = random(40);
    fill();
    for (u64 i = 0; i < size; i++)
        expected[to + i] = here[from + i];
    (size & 1 ? __memcpy_generic : __memcpy_simd)(there + to, here + from, size);
    check("memcpy", size, same());
    for (u64 i = 0; i < SIZE; i++)
        expected[i] = there[i];
    for (u64 i = 0; i < size; i++)
        expected[to + i] = there[from + i];
    (size & 2 ? __memmove_generic : __memmove_simd)(there + to, there + from, size);
    check("memmove", size, same());
    u64 byte = random(256) * (size & 1);
    for (u64 i = 0; i < size; i++)
        expected[from + i] = (u8)byte;
    __memset_generic(there + from, (int)byte, size);
    check("memset", size, same());
}

static void searches(u64 size) {
    u64 at = random(40);
    char *text = (char *)here + at;
    fill();
    text[size] = 0;
    check("strlen", size, __strlen_asimd(text) == size && __strlen_mte(text) == size && strnlen(text, size + 1) == size);
    u64 place = random(size + 1);
    u8 found = text[place];
    u64 first = 0, last = size;
    while ((u8)text[first] != found)
        first++;
    while ((u8)text[last] != found)
        last--;
    check("memchr", size, __memchr_generic(text, found, size + 1) == text + first);
    check("memrchr", size, memrchr(text, found, size + 1) == text + last);
    check("strchr", size, strchr(text, found) == text + first && strrchr(text, found) == text + last);
    check("strchrnul", size, strchrnul(text, 255) == text + size);
    strcpy((char *)there + 7, text);
    check("strcpy", size, !memcmp(there + 7, text, size + 1) && !strcmp((char *)there + 7, text));
    if (size) {
        there[7 + place % size] ^= 1;
        int sign = (u8)text[place % size] & 1 ? -1 : 1;
        check("memcmp", size, memcmp(there + 7, text, size) * sign > 0);
        check("strcmp", size, strcmp((char *)there + 7, text) * sign > 0 || !there[7 + place % size]);
        check("strncmp", size, !strncmp((char *)there + 7, text, place % size));
    }
}

int main(void) {
    for (u64 size = 0; size < 70; size += 1 + size / 24)
        copies(size), searches(size);
    for (u64 size = 90; size < 1300; size += 80 + random(200))
        copies(size), searches(size);
    print("%d failures, %x\n", (u64)failures, state);
    return 0;
}
