#!/bin/bash
#SBATCH --job-name=headstart
#SBATCH --array=0-15
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
export HEADSTART_HOME="$HOME/zoo"
exec headstart worker --cores "$SLURM_CPUS_PER_TASK"
