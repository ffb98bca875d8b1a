"""Configuration files as people write them, right and wrong."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from hpcbatch.cluster import schedulers
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.config import find_cluster, is_here, load_clusters
from hpcbatch.cluster.profile import ClusterConfig
from hpcbatch.cluster.schedulers import get_scheduler, scheduler_names
from hpcbatch.words.errors import ConfigError, ProgramMissing

from .conftest import write_program


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def clusters_of(path: Path) -> dict[str, ClusterConfig]:
    with patch.dict(os.environ, HPCBATCH_CONFIG=str(path)):
        return load_clusters()


def only(name: str) -> str:
    return f"clusters: {{{name}: {{scheduler: local}}}}"


def test_order_of_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(load_clusters()) == set(scheduler_names())
    write(folder / "config/hpcbatch/hpcbatch.yaml", only("mine"))
    assert "mine" in load_clusters()
    write(folder / "here/hpcbatch.yaml", only("project"))
    assert load_clusters().keys() - set(scheduler_names()) == {"project"}
    named = write(folder / "named.yaml", only("named"))
    monkeypatch.setenv("HPCBATCH_CONFIG", str(named))
    assert load_clusters().keys() - set(scheduler_names()) == {"named"}


def test_named_file_must_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPCBATCH_CONFIG", str(folder / "nowhere.yaml"))
    with pytest.raises(ConfigError, match=r"nowhere\.yaml \(named by HPCBATCH_CONFIG\)"):
        load_clusters()


def given_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)


def test_a_file_of_somebody_else_is_not_taken_for_where_one_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "here/hpcbatch.yaml", only("theirs"))
    given_away(path, monkeypatch)
    with pytest.raises(
        ConfigError, match=r"belongs to user \d+.* runs as you: .*HPCBATCH_CONFIG"
    ) as told:
        load_clusters()
    assert str(path) in str(told.value)
    for named in ("hpcbatch.yaml", "./hpcbatch.yaml", str(path)):
        monkeypatch.setenv("HPCBATCH_CONFIG", named)
        assert "theirs" in load_clusters()


def test_nor_one_that_everybody_may_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "here/hpcbatch.yaml", only("project"))
    path.chmod(0o664)
    assert "project" in load_clusters()
    path.chmod(0o646)
    with pytest.raises(ConfigError, match=r"others can write .*\(mode 0646\)"):
        load_clusters()
    elsewhere = write(folder / "config/hpcbatch/hpcbatch.yaml", only("mine"))
    path.unlink()
    given_away(elsewhere, monkeypatch)
    assert "mine" in load_clusters()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "clusters:\n", "default:\nclusters: {}\n"])
def test_empty_files(folder: Path, text: str) -> None:
    path = write(folder / "c.yaml", text)
    assert set(clusters_of(path)) == set(scheduler_names())


FULL = """
default: gpu-long
clusters:
  gpu-long:
    scheduler: slurm
    template: gpu.sh.j2
    resources: {queue: gpu, walltime: 2h, memory: 4GB, gpus: 1, extra: [--exclusive]}
    max_walltime: 1d
    setup:
      - module load python/3.11
      - "echo a: b"
    env: {OMP_NUM_THREADS: 4, MODE: "on"}
    python: /opt/python/bin/python3
    array_limit: 500
    elements: 200
    grace: 30
    poll_seconds: [1, 20.5]
"""


def test_every_key(folder: Path) -> None:
    found = clusters_of(write(folder / "c.yaml", FULL))["gpu-long"]
    assert (found.scheduler, found.template) == ("slurm", "gpu.sh.j2")
    assert found.resources["queue"] == "gpu"
    assert found.max_walltime == 86400
    assert found.setup == ("module load python/3.11", "echo a: b")
    assert found.env == {"OMP_NUM_THREADS": "4", "MODE": "on"}
    assert (found.array_limit, found.elements, found.grace) == (500, 200, 30.0)
    assert found.poll_seconds == (1.0, 20.5)


def test_setup_as_a_block(folder: Path) -> None:
    text = 'clusters: {a: {scheduler: local, setup: "module load a\\r\\nmodule load b\\n"}}'
    clusters = clusters_of(write(folder / "c.yaml", text))
    assert clusters["a"].setup == ("module load a\nmodule load b",)


def test_a_built_in_one_is_overridden(folder: Path) -> None:
    path = write(folder / "c.yaml", "clusters: {slurm: {array_limit: 7, template: }}")
    found = clusters_of(path)["slurm"]
    assert (found.scheduler, found.array_limit, found.template) == ("slurm", 7, None)
    path = write(folder / "c.yaml", "clusters: {slurm: {scheduler: local}}")
    assert clusters_of(path)["slurm"].scheduler == "local"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clusterz: {}", "unknown key 'clusterz'; did you mean 'clusters'"),
        ("clusters: {a: {scheduler: slurm, arraylimit: 3}}", "did you mean 'array_limit'"),
        ("clusters: {a: {scheduler: slurm, name: b}}", "unknown key 'name'"),
        ("clusters: {a: {scheduler: slurn}}", "did you mean 'slurm'"),
        ("clusters: {a: {template: x}}", "names no scheduler"),
        ("clusters: {a: {scheduler: }}", "names no scheduler"),
        ("clusters: {a: {scheduler: [slurm]}}", "no text"),
        ("clusters: {a: slurm}", "cluster a is no table"),
        ("clusters: [a, b]", "'clusters' is no table"),
        ("clusters: none", "'clusters' is no table"),
        ("default: gpu\nclusters: {gpus: {scheduler: local}}", "did you mean 'gpus'"),
        ("default: [a]", "unknown default cluster"),
        ("- a\n- b", "is no table"),
        ("just words", "is no table"),
        ("clusters: {a: {scheduler: slurm", "cannot be read"),
        ("clusters:\n a: {scheduler", 'in "c.yaml", line 2'),
        ("a: b: c", "cannot be read"),
        ("\tclusters: {}", "cannot be read"),
        ("x: !!python/object/apply:os.system [touch pwned]", "cannot be read"),
        ("clusters: {a: {scheduler: slurm, resources: {memry: 4GB}}}", "did you mean 'memory'"),
        (
            "clusters: {a: {scheduler: slurm, resources: {memory: lots}}}",
            "'lots' is not understood",
        ),
        ("clusters: {a: {scheduler: slurm, resources: 2h}}", "resources: '2h' is no table"),
        ("clusters: {a: {scheduler: slurm, resources: {extra: 5}}}", "resources"),
        ("clusters: {a: {scheduler: slurm, max_walltime: long}}", "max_walltime"),
        ("clusters: {a: {scheduler: slurm, max_walltime: 1:30}}", "'1:30' is not understood"),
        ("clusters:\n  a: {scheduler: slurm, resources: {walltime: 10:00}}", "'10:00' is not"),
        ("clusters: {a: {scheduler: slurm, array_limit: many}}", "array_limit: 'many'"),
        ("clusters: {a: {scheduler: slurm, array_limit: 0}}", "array_limit: 0"),
        ("clusters: {a: {scheduler: slurm, elements: -1}}", "elements: -1"),
        ("clusters: {a: {scheduler: slurm, grace: soon}}", "grace: 'soon'"),
        ("clusters: {a: {scheduler: slurm, grace: .nan}}", "grace: nan"),
        ("clusters: {a: {scheduler: slurm, poll_seconds: 5}}", "poll_seconds: 5 is not two"),
        ("clusters: {a: {scheduler: slurm, env: [A=1]}}", "env"),
        ("clusters: {a: {scheduler: slurm, env: {A: on}}}", "put it in quotes"),
        ("clusters: {a: {scheduler: slurm, env: {VERSION: 3.10}}}", "put it in quotes"),
        ("clusters: {a: {scheduler: slurm, setup: [echo a: b]}}", "put it in quotes"),
        ("clusters: {a: {scheduler: slurm, setup: 5}}", "no list of shell lines"),
        ("clusters: {a: {scheduler: slurm, template: {a: b}}}", "template"),
        ("clusters: {a: {scheduler: slurm, log_dir: logs}}", "'logs' is no absolute path"),
        ("clusters: {a: {scheduler: slurm, log_dir: /a/$NO_SUCH}}", "'/a/$NO_SUCH' is no absolute"),
        ("clusters: {a: {scheduler: slurm, submissions_per_second: 0}}", "0 is no number above 0"),
        ("clusters: {a: {scheduler: slurm, grace: .inf}}", "grace: inf"),
        ("clusters: {a: {scheduler: slurm, poll_seconds: [9, 3]}}", "the shortest interval comes"),
        ("clusters: {a: {scheduler: slurm, env: {A-B: x}}}", "env: 'A-B' is no name"),
        ("clusters: {a: {scheduler: slurm, queues: {a b: 1h}}}", "queues: queue 'a b' has"),
        ("clusters:\n  a: {scheduler: slurm}\n  a: {scheduler: sge}", ":3: 'a' is there twice"),
        ("clusters:\n  a:\n    env: {}\n    env: {}", ":4: 'env' is there twice"),
    ],
)
def test_what_is_wrong_is_told(folder: Path, text: str, words: str) -> None:
    path = write(folder / "c.yaml", text)
    with pytest.raises(ConfigError) as told:
        clusters_of(path)
    assert words in str(told.value)
    assert str(path) in str(told.value)
    assert not (folder / "here" / "pwned").exists()


def test_file_that_is_no_text(folder: Path) -> None:
    path = folder / "c.yaml"
    path.write_bytes(b"\xff\xfe\x00clusters")
    with pytest.raises(ConfigError, match="cannot be read"):
        clusters_of(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        clusters_of(folder)


def test_unknown_cluster(folder: Path) -> None:
    with pytest.raises(ConfigError, match="unknown cluster 'slrm'; did you mean 'slurm'"):
        find_cluster("slrm")


def programs(folder: Path, *names: str) -> Path:
    for name in names:
        one = get_scheduler(name)
        for program in filter(None, [*one.programs, one.known_by]):
            write_program(folder / "bin" / program, "")
    (folder / "bin").mkdir(exist_ok=True)
    return folder / "bin"


def test_detection(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs(folder)))
    assert find_cluster().name == "local"
    monkeypatch.setenv("PATH", str(programs(folder, "sge")))
    assert find_cluster().name == "sge"
    assert is_here(find_cluster("sge"))
    assert not is_here(find_cluster("slurm"))
    programs(folder, "slurm")
    with pytest.raises(ConfigError, match=r"several schedulers \(slurm, sge\)"):
        find_cluster()
    path = write(folder / "here/hpcbatch.yaml", "default: sge")
    assert find_cluster().name == "sge"
    path.write_text("default: local")
    assert find_cluster().name == "local"


@pytest.mark.parametrize(
    ("here", "asked", "told"),
    [
        ((), "lsf", "cluster lsf: bsub, bjobs, bkill are not on PATH"),
        (("sge",), "pbs", "cluster pbs: pbs_rstat is not on PATH"),
        (("sge",), "torque", "cluster torque: qchkpt is not on PATH"),
    ],
)
def test_a_cluster_that_is_not_here_is_told_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, here: tuple[str, ...], asked: str, told: str
) -> None:
    bin_folder = programs(folder, *here)
    for program in bin_folder.iterdir():
        write_program(program, "exit 1")
    os.symlink("/bin/sh", bin_folder / "sh")
    monkeypatch.setenv("PATH", str(bin_folder))
    with pytest.raises(ProgramMissing, match=told):
        Cluster.named(asked).limits(str(folder))


def test_a_program_that_only_tells_limits_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs(folder, "slurm")))
    with pytest.raises(ProgramMissing, match="scontrol cannot be run"):
        Cluster.named("slurm").limits(str(folder))


def test_other_packages_are_searched_only_for_a_name_that_is_not_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search() -> dict[str, str]:
        raise AssertionError("searched")

    monkeypatch.setattr(schedulers, "_from_entry_points", search)
    assert find_cluster("slurm").scheduler == "slurm"
    text = "default: mine\nclusters: {mine: {scheduler: sge}, own: {extends: slurm}, local: {}}"
    write(folder / "here/hpcbatch.yaml", text)
    assert find_cluster().scheduler == "sge"
    assert find_cluster("own").scheduler == "slurm"
    assert find_cluster("local").scheduler == "local"
    with pytest.raises(AssertionError, match="searched"):
        find_cluster("theirs")


@pytest.mark.parametrize("name", ["sge", "pbs", "torque"])
def test_detection_among_programs_of_one_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(programs(folder, name)))
    assert find_cluster().name == name


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_module:Scheduler", "cannot be loaded"),
        ("hpcbatch.cluster.config:NoSuch", "cannot be loaded"),
        ("builtins:dict", "is no hpcbatch Scheduler"),
        ("hpcbatch.cluster.schedulers.local:Local", ""),
    ],
)
def test_schedulers_of_others(monkeypatch: pytest.MonkeyPatch, target: str, words: str) -> None:
    monkeypatch.setattr(schedulers, "_from_entry_points", lambda: {"theirs": target})
    get_scheduler.cache_clear()
    try:
        assert scheduler_names()[-1] == "theirs"
        assert "theirs" in load_clusters()
        if not words:
            assert get_scheduler("theirs").name == "local"
            return
        with pytest.raises(ConfigError, match=f"'theirs'.*{words}|{words}"):
            get_scheduler("theirs")
    finally:
        get_scheduler.cache_clear()


def test_half_a_scheduler_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = programs(folder, "slurm")
    (bin_folder / "squeue").unlink()
    monkeypatch.setenv("PATH", str(bin_folder))
    assert find_cluster().name == "local"


def test_user_is_the_one_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from hpcbatch.cluster.shell import user_name

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    import pwd

    assert user_name() == pwd.getpwuid(os.getuid()).pw_name


def test_one_extends_another(folder: Path) -> None:
    text = """
clusters:
  top: {extends: middle, env: {B: two}, setup: [b]}
  middle: {extends: base, resources: {memory: 8GB}, env: {B: "2", C: "3"}}
  base: {scheduler: slurm, resources: {walltime: 2h, memory: 4GB}, env: {A: "1"}, setup: [a, a]}
  slurm: {array_limit: 7}
  own: {extends: slurm}
"""
    path = write(folder / "c.yaml", text)
    clusters = clusters_of(path)
    top = clusters["top"]
    assert (top.name, top.scheduler, top.setup) == ("top", "slurm", ("b",))
    assert top.resources == {"walltime": "2h", "memory": "8GB"}
    assert top.env == {"A": "1", "B": "two", "C": "3"}
    assert clusters["own"].array_limit == 7
    assert top.origins == {
        "scheduler": f"{path}:5",
        "resources.walltime": f"{path}:5",
        "resources.memory": f"{path}:4",
        "env.A": f"{path}:5",
        "env.B": f"{path}:3",
        "env.C": f"{path}:4",
        "setup": f"{path}:3",
    }


def test_a_template_lies_beside_the_file_that_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "clusters: {a: {scheduler: slurm, template: ./own/a.j2}, b: {extends: a}}"
    path = write(folder / "c.yaml", text)
    monkeypatch.chdir("/")
    clusters = clusters_of(path)
    assert {clusters[name].template for name in "ab"} == {f"{folder}/own/a.j2"}


def test_an_empty_entry_undoes_what_is_inherited(folder: Path) -> None:
    text = """
clusters:
  base: {scheduler: slurm, max_walltime: 2h, max_queued: 9, env: {A: "1"}, setup: [a], elements: 7}
  free: {extends: base, max_walltime: , env: , setup: null, elements: }
"""
    free = clusters_of(write(folder / "c.yaml", text))["free"]
    assert (free.max_walltime, free.env, free.setup, free.elements) == (None, {}, (), 1000)
    assert (free.scheduler, free.max_queued) == ("slurm", 9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "clusters:\n a: {scheduler: slurm}\n b:\n  extends: a\n  graze: 3",
            ":5: cluster b: unknown key",
        ),
        ("clusters:\n a: {sheduler: slurm}", ":2: cluster a: unknown key 'sheduler'; did you mean"),
        (
            "clusters:\n a: {scheduler: slurm}\n resources:\n  walltime: 2h",
            ":4: cluster resources: unknown key 'walltime'",
        ),
        ("clusters:\n a:\n  extends: b\n b: {extends: a}", ":4: cluster b extends itself: a -> b"),
        ("clusters:\n a: {extends: a}", ":2: cluster a extends itself"),
        ("clusters:\n a: {extends: slrm}", "extends 'slrm'; did you mean 'slurm'"),
        ("clusters:\n a: {extends: [slurm]}", "extends ['slurm']"),
        ("clusters: {a: {scheduler: slurm,\n  max_memory: lots}}", ":2: cluster a: max_memory"),
        ("clusters: {a: {scheduler: slurm, queues: {short: soon}}}", "queues: walltime 'soon'"),
        ('clusters: {a: {scheduler: slurm, container: "it\'s"}}', "container: No closing"),
        ("a: &a {b: *a}\n", "unknown key 'a'"),
    ],
)
def test_where_it_is_wrong(folder: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        clusters_of(write(folder / "c.yaml", text))
    assert words in str(told.value)
