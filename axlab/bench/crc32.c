/* crc32: a table, a byte at a time (the polynomial of Ethernet and zip). 300 times 4 KiB, each from the last one's sum. */

typedef unsigned char byte;
typedef unsigned int word;

enum { ROUNDS = 300, SIZE = 4096, POLYNOMIAL = 0xEDB88320 };

static word table[256];

static void make_table(void)
{
    for (word i = 0; i < 256; i++) {
        word sum = i;
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? (word)POLYNOMIAL ^ sum >> 1 : sum >> 1;
        table[i] = sum;
    }
}

__attribute__((noinline)) static word crc32(word sum, const byte *data, int size)
{
    sum = ~sum;
    while (size--)
        sum = table[(sum ^ *data++) & 255] ^ sum >> 8;
    return ~sum;
}

/* The last sum. */
int main(void)
{
    byte data[SIZE];
    word sum = 0;

    make_table();
    for (int i = 0; i < SIZE; i++)
        data[i] = i * 13 >> 3;
    for (int round = 0; round < ROUNDS; round++)
        sum = crc32(sum, data, SIZE);
    return sum;
}
