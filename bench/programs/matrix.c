/* Matrices of doubles: products and a linear system by elimination. */
#include <math.h>
#include <stdio.h>

enum { N = 160 };
static double a[N][N], b[N][N], c[N][N];

int main(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = 1.0 / (i + j + 1) + (i == j), b[i][j] = (double)((i * 31 + j * 17) % 97) / 97;
    for (int round = 0; round < 24; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double s = 0;
                for (int k = 0; k < N; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                b[i][j] = c[i][j] / (1 + fabs(c[i][j]));
    }
    for (int p = 0; p < N; p++)
        for (int i = p + 1; i < N; i++) {
            double f = a[i][p] / a[p][p];
            for (int j = p; j < N; j++)
                a[i][j] -= f * a[p][j];
        }
    double d = 0, s = 0;
    for (int i = 0; i < N; i++)
        d += log(fabs(a[i][i])), s += b[i][(i * 7) % N];
    printf("%.12g %.12g\n", d, s);
    return 0;
}
