"""Warm starts: run workers and kernels forked from processes that have imported everything.

A *fork server* is a small, single-threaded process that has done the imports and starts
``python -m <module>`` by forking, as if an interpreter had been started. There is one for run workers
(``python -m dagster api execute_run``) and one for kernels (``python -m ipykernel_launcher``). Whatever
is in doubt is started the ordinary way.

- `messages`, `process_identity`: what client and server share.
- `fork_server`, `become`, `preload`, `purposes`, `notebook_imports`: the server's process.
- `asking`, `keeper`: its clients, and the process that owns it.
- `run_launcher`, `kernel_provisioner`: the extension points of Dagster and Jupyter.
"""
