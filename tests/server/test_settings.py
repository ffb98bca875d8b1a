"""Settings of a server: read by name, refused with the nearest one."""

from __future__ import annotations

from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.server.settings import SAMPLE, ServerSettings, read_settings


def read(tmp_path: Path, text: str) -> ServerSettings:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return read_settings(str(path))


def test_without_a_file_and_with_the_sample_the_defaults_hold(tmp_path: Path) -> None:
    assert read_settings(None) == read(tmp_path, SAMPLE) == read(tmp_path, "") == ServerSettings()
    assert ServerSettings().address == "https://127.0.0.1:7033"


def test_all_that_can_be_said(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
host: "::1"
port: 0
protocol: http
server_scripts: {startup_script: module load slurm, batch_cluster: gpu}
modules: {/mine: pack.module:router}
options:
  debug: true
  require_auth: false
  max_concurrent_tasks: 3
  max_concurrent_jobs: 4
  task_queue_interval: 0.5
  max_release_tasks_per_second: 2
  keep_alive: 60
  task_root: /scratch/tasks
  max_nodetime: 2h
  anonymous_request: true
  modules_require_auth: [task]
  func_newjob: pack.rules:asked
  func_validate_server: pack.rules:told
""",
    )
    options = settings.options
    assert settings.address == "http://[::1]:0"
    assert settings.batch_cluster == "gpu"
    assert settings.modules == {"/mine": "pack.module:router"}
    assert (options.task_root, options.max_nodetime) == ("/scratch/tasks", 7200)
    assert (options.anonymous_request, options.modules_require_auth) == (True, ("task",))
    assert (options.func_newjob, options.func_validate_server) == (
        "pack.rules:asked",
        "pack.rules:told",
    )
    assert (options.max_concurrent_jobs, options.task_queue_interval) == (4, 0.5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hots: x", "'host'"),
        ("options: {keep_alife: 1}", "'keep_alive'"),
        ("server_scripts: {startup: x}", "'startup_script'"),
        ("port: 70000", "port 70000"),
        ("options: {modules_require_auth: [taks]}", "'task'"),
        ("options: {modules_require_auth: task}", "no list"),
        ("options: {func_newjob: rules}", "package.module:name"),
        ("port: yes", "port True"),
        ("protocol: ftp", "protocol 'ftp'"),
        ("options: {require_auth: 1}", "neither true nor false"),
        ("options: {max_concurrent_tasks: 0}", "from 1 up"),
        ("options: {keep_alive: -1}", "above 0"),
        ("options: {max_nodetime: soon}", "max_nodetime"),
        ("options: {max_nodetime: 1:30}", "max_nodetime"),
        ("options: [1]", "no table"),
        ("modules: {mine: pack.module:router}", "no path"),
        ("modules: {/mine: pack.module}", "package.module:name"),
        ("[1", "cannot be read"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(hb.UsageError, match=r"settings\.yaml|max_nodetime") as caught:
        read(tmp_path, text)
    assert told in str(caught.value)


def test_a_file_that_is_absent() -> None:
    with pytest.raises(hb.ConfigError, match="cannot be read"):
        read_settings("/nowhere/settings.yaml")


def test_a_file_that_others_can_write_to(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").touch()
    (tmp_path / "settings.yaml").chmod(0o646)
    with pytest.raises(hb.ConfigError, match="others can write to"):
        read_settings(str(tmp_path / "settings.yaml"))
