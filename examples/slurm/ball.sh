#!/bin/sh
# The volume of the unit ball by throwing points into the cube around it:
# ball.sh DIMENSION POINTS SEED
awk -v dimension="$1" -v points="$2" -v seed="$(($3 % 2147483647))" 'BEGIN {
    srand(seed)
    for (k = 0; k < points; k++) {
        square = 0
        for (d = 0; d < dimension; d++) { x = 2 * rand() - 1; square += x * x }
        inside += square <= 1
    }
    printf "%d %d %.4f\n", dimension, points, 2 ^ dimension * inside / points
}'
