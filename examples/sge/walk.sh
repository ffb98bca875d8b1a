#!/bin/sh
# How far do 500 random walks on a square grid get in STEPS steps? Prints the root of the mean
# square distance, which is near the root of STEPS.
# walk.sh STEPS SEED
awk -v steps="$1" -v seed="$(($2 % 2147483647))" 'BEGIN {
    srand(seed)
    for (walk = 0; walk < 500; walk++) {
        x = y = 0
        for (k = 0; k < steps; k++) {
            turn = int(4 * rand())
            if (turn == 0) x++; else if (turn == 1) x--; else if (turn == 2) y++; else y--
        }
        sum += x * x + y * y
    }
    printf "%d %.2f\n", steps, sqrt(sum / 500)
}'
