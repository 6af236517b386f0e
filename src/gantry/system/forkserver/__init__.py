"""A process with everything imported, which forks one child a job: short jobs start in milliseconds.

Importing PyTorch and building its first optimiser cost 4 to 8 seconds of a core, as much as a whole job of
the quick scale trains. With GANTRY_FORKSERVER=1 in the environment the command line hands its command to this
server: the child gets the caller's arguments, environment, folder, open files, umask, priority and processors,
and the caller gets its exit code and passes its signals on. Resource limits are the server's. Nothing else
differs: a job gives the same bits either way.

The server belongs to one user, one interpreter and one version of the source; it starts with the first job
and ends when it has had none for a while. If it cannot be reached, the caller does the job itself.
"""

from gantry.system.forkserver.client import run

__all__ = ["run"]
