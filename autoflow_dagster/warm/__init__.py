"""Warm starts: processes forked from ones that have imported everything.

A *fork server* is a small, single-threaded process that has done the imports and starts
``python -m <module>`` by forking, as if an interpreter had been started. There are two: one for Dagster's
processes (code server, webserver, daemon and runs), one for kernels (``python -m ipykernel_launcher``).
Whatever is in doubt is started the ordinary way.

- `messages`, `process_identity`: what client and server share.
- `server_process`, `purposes`, `preload`, `notebook_imports`, `kernel_surroundings`, `rehearsal`,
  `migration_scripts`: a server's process, and what it imports and does in advance.
- `fork_server`, `become`, `ending`: how it forks, and what a forked process is from then to its end.
- `asking`, `keeper`, `warm_dagster`, `warm_kernels`: its clients, and the processes that own it.
- `run_launcher`, `kernel_provisioner`: the extension points of Dagster and Jupyter.
- `gated_process`, `leftovers`: runs in the ordinary way, and the end of runs that are left.
"""
