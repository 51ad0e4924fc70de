/* Strings: building, searching, comparing and counting words with the C library. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1 << 20];
struct word { char name[24]; unsigned count; };
static struct word words[1024];

int main(void)
{
    static const char *const parts[] = {"soft", "metal", "chip", "board", "ma", "chine", "tick", "trap", "line", "bus"};
    size_t size = 0;
    uint32_t state = 99;
    while (size < sizeof text - 64) {
        for (unsigned k = 0; k < 2; k++) {
            state = state * 1664525u + 1013904223u;
            const char *p = parts[(state >> 20) % 10];
            size_t n = strlen(p);
            memcpy(text + size, p, n), size += n;
        }
        text[size++] = (state >> 9) % 7 ? ' ' : '\n';
    }
    text[size] = 0;
    unsigned distinct = 0, hits = 0;
    for (int round = 0; round < 9; round++) {
        for (char *p = text; *p;) {
            char name[24];
            size_t n = 0;
            while (isalpha((unsigned char)*p) && n < sizeof name - 1)
                name[n++] = (char)toupper((unsigned char)*p++);
            name[n] = 0;
            while (*p && !isalpha((unsigned char)*p)) p++;
            unsigned i = 0;
            while (i < distinct && strcmp(words[i].name, name)) i++;
            if (i == distinct && distinct < 1024)
                strcpy(words[distinct++].name, name);
            words[i].count++;
        }
        for (char *p = text; (p = strstr(p, "metalchip")); p++) hits++;
    }
    unsigned long sum = 0;
    for (unsigned i = 0; i < distinct; i++)
        sum += words[i].count * (i + 1) + strlen(words[i].name);
    printf("%u %u %lu\n", distinct, hits, sum);
    return 0;
}
