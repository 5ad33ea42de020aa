"""The sections `slurm` and `nomad` of the configuration."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.size import Size


class SlurmSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The jobs of a builder whose executor is `slurm`; its `data` has to be on a file system that all nodes share."""

    command: tuple[str, ...] = ("quarters",)
    """How Quarters is called on a node."""
    arguments: tuple[str, ...] = ("--executor=sandbox",)
    """What follows `builder --once FILE` there, such as `--config=/etc/quarters/node.toml`; a node's configuration says
    its root and such, and its `builder.data` has to be a folder of the node's own."""
    partition: str = ""
    """Partition that jobs are for; empty: the cluster's default."""
    account: str = ""
    """Account that jobs are charged to; empty: the user's default."""
    memory: Size = Size(0)
    """Memory that a job asks for; a build that is known to need more asks for more. 0: what the cluster gives."""
    cores: Annotated[int, Meta(ge=0)] = 0
    """Processors that a job asks for; 0: what the cluster gives."""
    options: tuple[str, ...] = ()
    """Further options of sbatch(1), such as `--constraint=avx2`."""
    poll: Annotated[float, Meta(gt=0)] = 5.0
    """Seconds between two looks at a job."""


class NomadSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The jobs of a builder whose executor is `nomad`."""

    address: str = "http://127.0.0.1:4646"
    """The HTTP API of a Nomad server or agent."""
    token: str = ""
    """A token of Nomad's that may dispatch, read and stop the job; better given as the file that QUARTERS_NOMAD__TOKEN_FILE
    names."""
    job: str = "quarters-build"
    """The parametrised job that each build is dispatched to, as packaging/nomad has it."""
    namespace: str = "default"
    """Namespace of that job."""
    poll: Annotated[float, Meta(gt=0)] = 5.0
    """Seconds between two looks at a job."""
