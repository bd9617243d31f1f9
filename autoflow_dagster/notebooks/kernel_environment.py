"""Which environment variables notebooks see: those of a list, and no others.

A list of what is hidden would be wrong about every secret that nobody thought of.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoflow_dagster.settings import FLOWAPI_TOKEN, OF_THE_DATABASE

OF_FLOWAPI = ("FLOWAPI_URL", FLOWAPI_TOKEN, "SSL_CERTIFICATE_FILE")

OF_DIRECTORIES = (
    "AUTOFLOW_INPUTS_COPIES",
    "AUTOFLOW_INPUTS_DIR",
    "AUTOFLOW_OUTPUTS_DIR",
    "AUTOFLOW_SECRETS_DIR",
)
"""With which the kernel of a dagstermill notebook loads its job, and finds the token's file."""

SURROUNDINGS: Mapping[str, str] = {
    "any program": """
        PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE LC_* LOCPATH TZ TZDIR TMPDIR TMP TEMP
        LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH MALLOC_*
    """,
    "proxies and certificates": """
        HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
        http_proxy https_proxy ftp_proxy all_proxy no_proxy
        SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE AWS_CA_BUNDLE
        NIX_SSL_CERT_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH OPENSSL_CONF
    """,
    "Python and its environments": """
        PYTHON* VIRTUAL_ENV PYENV_ROOT PYENV_VERSION
        CONDA_DEFAULT_ENV CONDA_EXE CONDA_PREFIX CONDA_PREFIX_* CONDA_PYTHON_EXE CONDA_ROOT
        CONDA_SHLVL MAMBA_EXE MAMBA_ROOT_PREFIX
    """,
    "Jupyter and IPython": """
        IPYTHONDIR JUPYTER_ALLOW_INSECURE_WRITES JUPYTER_CONFIG_DIR JUPYTER_CONFIG_PATH
        JUPYTER_DATA_DIR JUPYTER_NO_CONFIG JUPYTER_PATH JUPYTER_PLATFORM_DIRS
        JUPYTER_PREFER_ENV_PATH JUPYTER_RUNTIME_DIR PYDEVD_*
    """,
    "threads": """
        OMP_* GOMP_* KMP_* OPENBLAS_* GOTO_NUM_THREADS MKL_* BLIS_NUM_THREADS
        VECLIB_MAXIMUM_THREADS NUMEXPR_* NUMBA_* TBB_NUM_THREADS LOKY_MAX_CPU_COUNT
        POLARS_MAX_THREADS RAYON_NUM_THREADS ARROW_* JE_ARROW_MALLOC_CONF CUDA_*
    """,
    "pictures, fonts and maps": """
        MPLBACKEND MPLCONFIGDIR MATPLOTLIBRC FONTCONFIG_* FC_* XDG_*
        GDAL_* CPL_* OGR_* PROJ_* PYPROJ_*
    """,
    "other languages": "R_* _R_* RENV_PATHS_* RETICULATE_PYTHON JAVA_HOME JULIA_*",
}
"""What programs and libraries want to know of where they are: names, or what names begin with.

The latter only where none is a secret of somebody else. JUPYTER_TOKEN is one: Jupyter's are listed.
"""

_PATTERNS = frozenset(pattern for names in SURROUNDINGS.values() for pattern in names.split())
_BEGINNINGS = tuple(pattern[:-1] for pattern in _PATTERNS if pattern.endswith("*"))


def kernel_environment(environ: Mapping[str, str], allowed: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of a notebook's kernel.

    Parameters
    ----------
    environ : mapping
        The environment of this process.
    allowed : tuple of str
        Names of further variables that the operator allows (AUTOFLOW_KERNEL_ENV). The database is
        none of them, whatever it says.

    Examples
    --------
    >>> kernel_environment({"PATH": "/bin", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "xyz"})
    {'PATH': '/bin', 'LC_ALL': 'C'}
    """
    names = {*_PATTERNS, *OF_FLOWAPI, *OF_DIRECTORIES, *allowed} - set(OF_THE_DATABASE)
    return {
        name: value
        for name, value in environ.items()
        if name in names or name.startswith(_BEGINNINGS)
    }
