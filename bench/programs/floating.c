/* Floating point: gravity between bodies (double), and a filter (float). */
#include <math.h>
#include <stdio.h>

enum { BODIES = 8, STEPS = 200000, TAPS = 16, SAMPLES = 1200000 };
static double x[BODIES], y[BODIES], z[BODIES], vx[BODIES], vy[BODIES], vz[BODIES], mass[BODIES];
static float taps[TAPS], line[TAPS];

int main(void)
{
    for (int i = 0; i < BODIES; i++) {
        x[i] = i * 1.5 + 0.1, y[i] = (i * 7 % 5) - 2.0, z[i] = (i * 3 % 4) * 0.7;
        vx[i] = 0.01 * (i % 3 - 1), vy[i] = 0.02 * (i % 2), vz[i] = -0.01 * (i % 4);
        mass[i] = 1.0 + 0.3 * i;
    }
    double dt = 0.0005;
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++) {
                double dx = x[i] - x[j], dy = y[i] - y[j], dz = z[i] - z[j];
                double d2 = dx * dx + dy * dy + dz * dz + 0.05;
                double m = dt / (d2 * sqrt(d2));
                vx[i] -= dx * mass[j] * m, vy[i] -= dy * mass[j] * m, vz[i] -= dz * mass[j] * m;
                vx[j] += dx * mass[i] * m, vy[j] += dy * mass[i] * m, vz[j] += dz * mass[i] * m;
            }
        for (int i = 0; i < BODIES; i++)
            x[i] += dt * vx[i], y[i] += dt * vy[i], z[i] += dt * vz[i];
    }
    double sum = 0;
    for (int i = 0; i < BODIES; i++)
        sum += x[i] + y[i] * 2 + z[i] * 3;
    for (int i = 0; i < TAPS; i++)
        taps[i] = 1.0f / (i + 2);
    float out = 0;
    for (int n = 0; n < SAMPLES; n++) {
        line[n % TAPS] = (float)(n % 101) - 50.0f;
        float acc = 0;
        for (int i = 0; i < TAPS; i++)
            acc += taps[i] * line[(n + i) % TAPS];
        out = out * 0.5f + acc;
    }
    printf("%.12f %.6f\n", sum, out);
    return 0;
}
