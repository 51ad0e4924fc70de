/* An interpreter inside: a bytecode loop with a switch, as scripting languages have. */
#include <stdint.h>
#include <stdio.h>

enum { PUSH, ADD, MUL, DUP, SWAP, JNZ, DEC, XOR, ROT, HALT };

int main(void)
{
    static const uint8_t code[] = {PUSH, 7, PUSH, 3, ROT, DUP, MUL, ROT, ADD, SWAP, XOR, PUSH, 5, ADD, DEC, JNZ, 4, HALT};
    uint64_t stack[16] = {0}, total = 0;
    for (int run = 0; run < 90; run++) {
        uint64_t counter = 100000;
        int sp = 0, pc = 0;
        stack[sp++] = (uint64_t)run + 1;
        for (;;) {
            switch (code[pc++]) {
            case PUSH: stack[sp++ & 15] = code[pc++]; break;
            case ADD: sp--; stack[(sp - 1) & 15] += stack[sp & 15]; break;
            case MUL: sp--; stack[(sp - 1) & 15] *= stack[sp & 15]; break;
            case DUP: stack[sp & 15] = stack[(sp - 1) & 15]; sp++; break;
            case SWAP: { uint64_t t = stack[(sp - 1) & 15]; stack[(sp - 1) & 15] = stack[(sp - 2) & 15]; stack[(sp - 2) & 15] = t; break; }
            case XOR: stack[(sp - 1) & 15] ^= stack[(sp - 2) & 15] >> 5; break;
            case ROT: { uint64_t t = stack[(sp - 3) & 15]; stack[(sp - 3) & 15] = stack[(sp - 2) & 15]; stack[(sp - 2) & 15] = stack[(sp - 1) & 15]; stack[(sp - 1) & 15] = t; break; }
            case DEC: counter--; break;
            case JNZ: if (counter) pc = code[pc]; else pc++; break;
            case HALT: goto done;
            }
        }
    done:
        total = total * 31 + stack[(sp - 1) & 15] + (uint64_t)sp;
    }
    printf("%016llx\n", (unsigned long long)total);
    return 0;
}
