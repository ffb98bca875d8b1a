"""What a client may ask of a login node: each is handed to the site of that machine, and comes back
as plain data."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...words.errors import HpcbatchError, InputError, NotFound
from ...words.look import Look
from ...words.version import VERSION
from .. import streams, wire
from ..here import Here
from . import frames
from .answers import Talk
from .status_cache import new_of

Request = Mapping[str, Any]
Verb = Callable[[Here, Request, Talk], Any]


def create(site: Here, asked: Request, talk: Talk) -> Any:
    """The bytes of a task, from where they were cut off; then it is stored. What is not installed
    here is told before they come."""
    from ...use.requirements import compared
    from ...words.server_layout import RemoteLayout
    from ..uploads import Upload, Uploads

    uploads = Uploads(RemoteLayout(site.registry.root).uploads, site.registry)
    told = Upload(str(asked["id"]), "", int(asked["size"]), str(asked["digest"]))
    here = uploads.begin(told)
    talk.tell(frames.GO_ON, {"offset": here, "environment": compared(asked["requirements"])})
    while here < told.size:
        kind, payload = talk.messages.next()
        if kind != frames.DATA:
            raise InputError("what was sent is no part of a task")
        content = frames.unpacked(payload)
        added = uploads.add(told.task, "", here, content)
        if added != here + len(content):
            raise InputError("another upload of the same task got in between: try again")
        here = added
    return _known(site, told.task)


def collect(site: Here, asked: Request, talk: Talk) -> None:
    """Results as records, in blocks; whoever was cut off asks for those that are missing."""
    found = site.collect(asked["id"], wire.jobs_from(asked["jobs"]))
    for block in streams.in_blocks(streams.results_stream(found), frames.BLOCK):
        talk.write(frames.message(frames.DATA, frames.packed(block)))


def find(site: Here, asked: Request, talk: Talk) -> Any:
    here = f"in {site.place} on {os.uname().nodename}"
    return _known(site, site.registry.find_among(site.registry.ids(), asked["text"], here))


def specs(site: Here, asked: Request, talk: Talk) -> Any:
    return [spec.to_json() for spec in site.specs()]


def clusters(site: Here, asked: Request, talk: Talk) -> Any:
    return wire.overview_json(site.clusters())


def preview(site: Here, asked: Request, talk: Talk) -> Any:
    from ..parcel import as_here

    spec = as_here(wire.spec_from(asked["spec"]), "")
    return site.preview(spec, wire.options_from(asked["options"]))._asdict()


def submit(site: Here, asked: Request, talk: Talk) -> Any:
    from ...use.idempotency import submit_once

    word = str(asked["request"])
    options = replace(wire.options_from(asked["options"]), request=word)
    made = submit_once(site.registry, asked["id"], word, lambda: site.submit(asked["id"], options))
    return None if made is None else wire.attempt_json(made)


def resubmit(site: Here, asked: Request, talk: Talk) -> Any:
    from ...use.idempotency import submit_once

    word = str(asked["request"])
    told = wire.resubmission_from(asked["order"])
    told = replace(told, options=replace(told.options, request=word))
    made = submit_once(site.registry, asked["id"], word, lambda: site.resubmit(asked["id"], told))
    return None if made is None else wire.attempt_json(made)


def cancel(site: Here, asked: Request, talk: Talk) -> Any:
    return site.cancel(asked["id"], wire.jobs_from(asked["jobs"]))._asdict()


def remove(site: Here, asked: Request, talk: Talk) -> None:
    site.remove(asked["id"])


def status(site: Here, asked: Request, talk: Talk) -> Any:
    return _news(asked, site.status(asked["id"], Look[asked["look"]]).to_json())


def track(site: Here, asked: Request, talk: Talk) -> Any:
    return _news(asked, site.track(asked["id"], asked["begins"]).to_json())


def statuses(site: Here, asked: Request, talk: Talk) -> Any:
    """Of several tasks; what is wrong with one hides no other."""
    found = [
        {**wire.error_json(told), "id": id} if isinstance(told, HpcbatchError) else told.to_json()
        for id, told in site.statuses(asked["ids"], asked["tracks"], asked["begins"])
    ]
    return new_of(found, asked["known"])


def _news(asked: Request, told: Mapping[str, Any]) -> Any:
    """Of a status, for whoever has seen it before."""
    return new_of([told], asked["known"])[0]


def jobs(site: Here, asked: Request, talk: Talk) -> Any:
    found = site.jobs(asked["id"], asked["states"], wire.jobs_from(asked["jobs"]))
    return [wire.job_json(info) for info in found]


def resolved_jobs(site: Here, asked: Request, talk: Talk) -> Any:
    return str(site.resolved_jobs(asked["id"]))


def errors(site: Here, asked: Request, talk: Talk) -> Any:
    return [wire.failure_json(failure) for failure in site.errors(asked["id"])]


def newest_failures(site: Here, asked: Request, talk: Talk) -> Any:
    found = site.newest_failures(asked["id"], asked["limit"])
    return [wire.failure_json(failure) for failure in found]


def log(site: Here, asked: Request, talk: Talk) -> Any:
    return site.log(asked["id"], asked["job"])


def element_log(site: Here, asked: Request, talk: Talk) -> Any:
    where = asked["attempt"], asked["element"], asked["begin"]
    return b64encode(site.element_log(asked["id"], *where)).decode()


def modules(site: Here, asked: Request, talk: Talk) -> Any:
    from ...disk.files import read

    return [b64encode(read(path)).decode() for path in site.modules(asked["id"])]


def server(site: Here, asked: Request, talk: Talk) -> Any:
    """Where a server of the registry listens, and what it is known by."""
    from ..run_file import find_run

    run = find_run(site.registry.root)
    if run is None:
        raise NotFound(f"no server runs for {site.registry.root} there: hpcbatch server start")
    return {"address": run.addresses[0], "key": run.key, "host": run.host}


def hello(site: Here, asked: Request, talk: Talk) -> Any:
    return {"version": VERSION, "root": site.registry.root, "host": os.uname().nodename}


def health(site: Here, asked: Request, talk: Talk) -> Any:
    """Whether the registry can be written, and the scheduler of a cluster answers."""
    from ...cluster.cluster import Cluster
    from ...disk.files import make_folder, publish, unlink_quietly
    from ...words.server_layout import RemoteLayout

    folder = RemoteLayout(site.registry.root).folder
    make_folder(folder)
    path = f"{folder}/health"
    publish(path, bytes(1 << 16))
    unlink_quietly(path)
    cluster = Cluster.named(asked["cluster"])
    why = ""
    try:
        cluster.check_here()
        cluster.listing()
    except HpcbatchError as error:
        why = str(error)
    told = {"root": site.registry.root, "cluster": cluster.name, "here": not why, "why": why}
    return {**told, "scheduler": cluster.config.scheduler}


VERBS: dict[str, Verb] = {
    verb.__name__: verb
    for verb in (
        cancel,
        clusters,
        collect,
        create,
        element_log,
        errors,
        find,
        health,
        hello,
        jobs,
        log,
        modules,
        newest_failures,
        preview,
        remove,
        resolved_jobs,
        resubmit,
        server,
        specs,
        status,
        statuses,
        submit,
        track,
    )
}


def _known(site: Here, task_id: str) -> Any:
    spec = site.spec(task_id)
    return {"spec": spec.to_json(), "folder": site.folder(task_id)}
