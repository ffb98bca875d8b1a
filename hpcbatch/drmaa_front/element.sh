#!/bin/bash
# What each element of an array starts: FOLDER ELEMENTS WALLTIME PYTHON
# DRMAA 1.0 tells an element its number nowhere: each scheduler has a variable of its own.
index=
for name in SGE_TASK_ID SLURM_ARRAY_TASK_ID PBS_ARRAY_INDEX PBS_ARRAYID LSB_JOBINDEX; do
    case ${!name} in
        '' | 0* | *[!0-9]*) ;;
        *) index=${!name} && break ;;
    esac
done
if [ -z "$index" ] && [ "$2" != 1 ]; then
    env >"$1/no-index-$HOSTNAME-$$"
    exit 71
fi
export HPCBATCH_DRMAA_INDEX=${index:-1}
# an interpreter that is not on this node costs the word of how the element ended, no more
shopt -s execfail
[ -x "$4" ] && exec "$4" -I -S "${0%.sh}.py" "$1" "$3"
exec /bin/bash "$1/script.sh"
