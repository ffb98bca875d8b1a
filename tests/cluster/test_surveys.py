"""What clusters tell of themselves, and the configuration that is made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.config import find_cluster, load_clusters
from hpcbatch.cluster.profile import ClusterConfig
from hpcbatch.cluster.proposal import FoundCluster, proposed
from hpcbatch.cluster.schedulers import get_scheduler
from hpcbatch.cluster.schedulers.answers import Limits, Queue, Survey
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import UsageError

GB = 1 << 30

SLURM = {
    "sinfo --version": "slurm 24.11.5\n",
    "scontrol -o show partition": (
        "PartitionName=short AllowGroups=ALL Default=YES QoS=N/A DefaultTime=00:30:00 RootOnly=NO "
        "MaxNodes=UNLIMITED MaxTime=04:00:00 MaxCPUsPerNode=UNLIMITED State=UP TotalCPUs=32 "
        "MaxMemPerNode=64000 TRES=cpu=32,mem=32000M\n"
        "PartitionName=long AllowGroups=ALL Default=NO DefaultTime=NONE RootOnly=NO "
        "MaxTime=7-00:00:00 MaxCPUsPerNode=16 State=UP MaxMemPerNode=UNLIMITED\n"
        "PartitionName=old Default=NO MaxTime=UNLIMITED State=DOWN MaxMemPerNode=0\n"
    ),
    "scontrol show config": "AccountingStorageType   = accounting_storage/slurmdbd\n",
    "sacctmgr -nP show assoc user=me format=MaxSubmitJobs": "\n500\n2000\n",
}
SGE = {
    "qstat -help": "SGE 8.1.9\nusage: qstat [options]\n",
    "qconf -sq *": (
        "qname                 all.q\nqtype                 BATCH INTERACTIVE\n"
        "slots                 64,[fat=128]\ns_rt                  INFINITY\n"
        "h_rt                  24:00:00,[fat@host=INFINITY]\nh_vmem                8G\n\n"
        "qname                 desk.q\nqtype                 INTERACTIVE\n"
        "slots                 0\ns_rt                  00:30:00\n"
        "h_rt                  01:00:00\nh_vmem                INFINITY\n"
    ),
    "qconf -sconf": "reporting_params             accounting=true \\\n     reporting=false\n",
}
PBS = {
    "qstat --version": "pbs_version = 23.06.06\n",
    "qstat -Q -f": (
        "Queue: workq\n    queue_type = Execution\n    total_jobs = 0\n"
        "    resources_max.mem = 64gb\n    resources_max.ncpus = 32\n"
        "    resources_max.walltime = 48:00:00\n    resources_default.walltime = 01:00:00\n"
        "    enabled = True\n    started = True\n\n"
        "Queue: night\n    queue_type = Execution\n    enabled = False\n    started = True\n\n"
    ),
    "qstat -B -f": (
        "Server: pbshost\n    server_state = Active\n    default_queue = workq\n"
        "    resources_max.walltime = 100:00:00\n    job_history_enable = True\n"
        "    pbs_version = 23.06.06\n    max_array_size = 10000\n\n"
    ),
}
OPENLAVA = {
    "bsub -V": "OpenLava 4.0.0, Nov 22 2026\n",
    "bqueues -l": (
        "\nQUEUE: normal\n  -- For normal low priority jobs.  This is the default queue.\n\n"
        "PARAMETERS/STATISTICS\n"
        "PRIO NICE     STATUS       MAX JL/U JL/P JL/H NJOBS  PEND  RUN  SSUSP USUSP  RSV\n"
        "  30  20    Open:Active     -    -    -    -     0     0     0     0     0    0\n\n"
        "USERS:  all users\n"
        "\n--------------------------------------------\n\n"
        "QUEUE: short\n  -- ten minute queue\n\n"
        "PARAMETERS/STATISTICS\n"
        "PRIO NICE     STATUS       MAX JL/U JL/P JL/H NJOBS  PEND  RUN  SSUSP USUSP  RSV\n"
        "  40  10  Closed:Inact      -    -    -    -     0     0     0     0     0    0\n\n"
        "Interval for a host to accept two jobs is 0 seconds\n\n"
        " RUNLIMIT                \n 10.0 min of vm          \n\nSCHEDULING PARAMETERS\n"
    ),
}
IBM = {
    "bsub -V": "IBM Spectrum LSF Standard 10.1.0.13, Apr 15 2022\nCopyright ...\n",
    "bqueues -l": (
        "\nQUEUE: night\n  -- No description provided.\n\nPARAMETERS/STATISTICS\n"
        "PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV PJOBS\n"
        " 40    0  Open:Active       -    -    -    -     0     0     0     0     0    0     0\n\n"
        "DEFAULT LIMITS:\n RUNLIMIT                \n 15.0 min of hostA\n\n"
        "MAXIMUM LIMITS:\n CPULIMIT                     RUNLIMIT\n"
        " 20.0 min of IBM350         2880.0 min of IBM350\n PROCLIMIT\n 3\n"
        " FILELIMIT DATALIMIT STACKLIMIT CORELIMIT MEMLIMIT SWAPLIMIT\n"
        " 20000 K   20000 K   2048 K     20000 K   5 G      6 G\n\nSCHEDULING PARAMETERS\n"
    ),
}


def surveyed(name: str, said: Mapping[str, str], status: int = 0) -> Survey:
    scheduler = get_scheduler(name)
    asked = [tuple(argv) for argv in scheduler.survey_argv("me")]
    assert {" ".join(argv) for argv in asked} == set(said)
    return scheduler.parse_survey(
        [Output(argv, status, said[" ".join(argv)], "") for argv in asked]
    )


def test_slurm() -> None:
    assert surveyed("slurm", SLURM) == Survey(
        "slurm 24.11.5",
        (
            Queue("short", True, True, 4 * 3600, 1800, 64000 << 20, None),
            Queue("long", False, True, 7 * 86400, None, None, 16),
            Queue("old", False, False),
        ),
        True,
        500,
    )


def test_grid_engine() -> None:
    assert surveyed("sge", SGE) == Survey(
        "SGE 8.1.9",
        (
            Queue("all.q", max_walltime=86400, max_memory=8 * GB, max_cpus=64),
            Queue("desk.q", is_open=False, max_walltime=1800, max_cpus=0),
        ),
        True,
    )


@pytest.mark.parametrize("name", ["pbs", "torque"])
def test_pbs(name: str) -> None:
    assert surveyed(name, PBS) == Survey(
        "23.06.06",
        (
            Queue("workq", True, True, 48 * 3600, 3600, 64 * GB, 32),
            Queue("night", False, False, 100 * 3600),
        ),
        True,
    )


def test_openlava() -> None:
    assert surveyed("lsf", OPENLAVA) == Survey(
        "OpenLava 4.0.0",
        (Queue("normal", True), Queue("short", False, False, 600)),
        True,
    )


def test_ibm_lsf() -> None:
    assert surveyed("lsf", IBM) == Survey(
        "IBM Spectrum LSF Standard 10.1.0.13",
        (Queue("night", False, True, 2880 * 60, 15 * 60, 5 * GB),),
        True,
    )


@pytest.mark.parametrize("name", ["slurm", "sge", "pbs", "torque", "lsf"])
@pytest.mark.parametrize("text", ["", "what?\n", "Queue: \nqname\nQUEUE:\nPartitionName=\n"])
def test_nonsense_is_no_error(name: str, text: str) -> None:
    scheduler = get_scheduler(name)
    asked = map(tuple, scheduler.survey_argv("me"))
    told = scheduler.parse_survey([Output(argv, 1, text, text) for argv in asked])
    assert told.accounting in (None, True)
    assert scheduler.parse_survey([]) == Survey()


@pytest.mark.parametrize(
    ("name", "survey"),
    [
        ("slurm", surveyed("slurm", SLURM)),
        ("sge", surveyed("sge", SGE)),
        ("pbs", surveyed("pbs", PBS)),
        ("lsf", surveyed("lsf", IBM)),
        ("lsf", Survey()),
    ],
)
def test_what_is_proposed_can_be_read(
    name: str, survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = proposed([FoundCluster(name, name, Limits(1000, memory_unit="MB"), survey)])
    path = tmp_path / "hpcbatch.yaml"
    path.write_text(text)
    monkeypatch.setenv("HPCBATCH_CONFIG", str(path))
    clusters = load_clusters()
    usable = [queue for queue in survey.queues if queue.is_open]
    assert find_cluster().name == name
    assert clusters[name].memory_unit == "MB"
    assert clusters[name].max_queued == survey.max_queued
    if usable:
        assert clusters[name].max_walltime == max(q.max_walltime or 0 for q in usable)
    uncommented = text.replace("# resources", "resources").replace("# queues", "queues")
    path.write_text(uncommented)
    clusters = load_clusters()
    assert clusters[name].resources["memory"] == "1GB"
    if len(usable) > 1:
        assert clusters[name].queues == {queue.name: queue.max_walltime for queue in usable}


def test_names_that_yaml_would_misread_are_quoted() -> None:
    queues = (Queue("on", max_walltime=60), Queue("a: b #c", max_walltime=61))
    text = proposed([FoundCluster("slurm", "slurm", Limits(), Survey("", queues))])
    entry = yaml.safe_load(text.replace("# queues", "queues"))["clusters"]["slurm"]
    assert entry["queues"] == {"on": "1m", "a: b #c": "61s"}


def test_among_several_schedulers_the_user_chooses() -> None:
    found = [FoundCluster(name, name, Limits(), Survey()) for name in ("slurm", "sge")]
    text = proposed(found)
    assert "# default: one of slurm, sge, local" in text
    assert set(yaml.safe_load(text)["clusters"]) == {"slurm", "sge"}
    assert yaml.safe_load(proposed(found, "sge"))["default"] == "sge"
    with pytest.raises(UsageError, match="no cluster 'slrum' here; did you mean 'slurm'"):
        proposed(found, "slrum")
    assert yaml.safe_load(proposed([])) == {"default": "local"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("slurm", marks=pytest.mark.slurm),
        pytest.param("sge", marks=pytest.mark.sge),
    ],
)
def test_a_real_one_tells_of_itself(name: str) -> None:
    survey = Cluster(ClusterConfig(name, name)).survey()
    assert re.search(r"\d+\.\d+", survey.version)
    assert survey.queues
    assert any(queue.is_open for queue in survey.queues)
    assert survey.accounting is (name == "sge")
