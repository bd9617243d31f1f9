"""Templates of authors: those written for nbconvert 5 and 7, ours extended, and wrong ones."""

from __future__ import annotations

import html
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import Provenance, ReportOptions, write_report
from autoflow_dagster.reports.directives import resolve_directives, with_closed_blocks
from autoflow_dagster.reports.parts import Part, Parts
from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    dataframe,
    make,
    markdown,
    picture,
    png,
    printed,
    result,
    shown,
)

EXAMPLE = Path(__file__).parent.parent / "examples" / "report-gallery"
CELLS = (
    markdown("# Flows *above* normal\n\nA paragraph | with {signs}"),
    code("secret_sauce = 1", printed("on stdout"), result("the | result ----")),
    code("plot()", picture(png(640, 480))),
    code("df", shown("text/html", dataframe(3), "plain table")),
)

NO_ATTRIBUTE = "'nbformat.notebooknode.NotebookNode object' has no attribute 'no'"

# What the original AutoFlow's own template did, in the words of nbconvert 5.
ORIGINAL = """\
{% extends 'asciidoc.tpl' %}
{% block header %}
:imagesdir: {{ resources['output_files_dir'] }}
{% endblock header %}
{% block input %}
{% endblock input %}
{% block output_group %}
{%- block outputs -%}
{{ super() }}
{%- endblock outputs -%}
{% endblock output_group %}
{% block stream %}
{% endblock stream %}
{% block data_png %}
image::{{ output.metadata.filenames['image/png'] | path2url }}[pdfwidth=90%]
{% endblock data_png %}
{% block data_text scoped %}
----
{{ output.data['text/plain'] }}
----
{% endblock data_text %}
"""
ON_DISPLAY_PRIORITY = """\
{% extends 'display_priority.tpl' %}
{% block execute_result %}{% block data_priority scoped %}{{ super() }}{% endblock %}{% endblock %}
{% block input %}CODE {{ cell.source }}

{% endblock %}
{% block data_png %}image::{{ output.metadata.filenames['image/png'] }}[]
{% endblock %}
{% block data_text scoped %}RESULT {{ output.data['text/plain'] | replace('----', 'dashes') }}

{% endblock %}
{% block data_html scoped %}
{{ output.data['text/html'] | convert_pandoc(from_format='html', to_format='asciidoc') }}
{% endblock %}
{% block markdowncell scoped %}{{ cell.source | markdown2asciidoc }}
{% endblock %}
"""
ON_NOTHING = """\
= My own loop
{% for cell in nb.cells if cell.cell_type == 'markdown' %}
{{ cell.source | markdown2asciidoc }}
{% endfor %}
{% for cell in nb.cells if cell.cell_type == 'code' %}{% for output in cell.outputs %}
{%- if output.data is defined and 'image/png' in output.data %}
image::{{ output.metadata.filenames['image/png'] }}[pdfwidth=50%]
{% endif %}{% endfor %}{% endfor %}
"""
FENCED = """\
{% extends 'asciidoc/index.asciidoc.j2' %}
{% block output_group %}
----
{{- super() -}}
----
{% endblock output_group %}
{% block markdowncell scoped %}

====

{{ super() }}

====

{% endblock markdowncell %}
"""
ON_OURS = """\
{% extends 'autoflow/report.asciidoc.j2' %}
{% block header %}
= {{ report.title }} for {{ report.reference_date }}

image::logo.png[Logo,width=120]

ifdef::backend-pdf[]
Only in the PDF
endif::[]
ifndef::backend-pdf[]
Not in the PDF
endif::[]
include::words.adoc[]
{% include 'words.j2' %}
{% endblock header %}
{% block data_html scoped %}
Before the table

{{ super() }}

After the table
{% endblock data_html %}
"""


def template(directory: Path, text: str, name: str = "my.tpl") -> Path:
    """Write a template and what it may want beside it."""
    inputs = directory / "inputs"
    inputs.mkdir(exist_ok=True)
    (inputs / "logo.png").write_bytes(png())
    (inputs / "words.adoc").write_text("Words *included* by AsciiDoc")
    (inputs / "words.j2").write_text("and by Jinja, of {{ report.workflow }}.")
    path = inputs / name
    path.write_text(text, encoding="utf-8")
    return path


def images(report: Report) -> int:
    """Return the number of pictures in a PDF."""
    return sum(len(page.images) for page in report.pdf.pages)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        pytest.param(
            ORIGINAL,
            ["Flows above normal", "the | result ----", "col0", "2.2"],
            ["secret_sauce", "on stdout", "plain table", "|===", "imagesdir"],
            id="the original's",
        ),
        pytest.param(
            ON_DISPLAY_PRIORITY,
            ["Flows above normal", "CODE secret_sauce = 1", "RESULT the | result dashes", "col0"],
            ["None", "|==="],
            id="display_priority.tpl",
        ),
        pytest.param(
            ON_NOTHING, ["My own loop", "A paragraph | with {signs}"], ["secret_sauce"], id="own loop"
        ),
        pytest.param(
            FENCED, ["Flows above normal", "the | result ----", "2.2"], ["|===", "===="], id="nbconvert 7"
        ),
        pytest.param(
            ON_OURS,
            ["Flows above normal for 2016-01-07", "Only in the PDF", "Words included by AsciiDoc",
             "and by Jinja, of flows.", "Before the table", "After the table"],
            ["Not in the PDF", "ifdef", "include::"],
            id="ours extended",
        ),
    ],
)  # fmt: skip
def test_templates_of_every_age_work(
    tmp_path: Path, text: str, there: list[str], absent: list[str]
) -> None:
    """Unchanged, pictures and tables included."""
    about = Provenance(workflow="flows", reference_date=date(2016, 1, 7))
    report = make(
        tmp_path,
        *CELLS,
        template=template(tmp_path, text),
        inputs_dir=tmp_path / "inputs",
        provenance=about,
    )
    assert (report.summary.engine, report.summary.notes) == ("typst", ())
    for words in there:
        assert words in report.text
    for words in absent:
        assert words not in report.text
    assert images(report) >= 1


@pytest.mark.integration
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{% extends 'autoflow/report.asciidoc.j2' %}\n{% block header %}\n{% if %}\n{% endblock %}",
            "Template my.tpl:3: Expected an expression, got 'end of statement block'",
        ),
        (
            "{% extends 'asciidoc.tpl' %}\n{% block markdowncell %}\n\n{{ cell.no.such }}\n{% endblock %}",
            "Template my.tpl:4, cell 1 of the notebook: UndefinedError: " + NO_ATTRIBUTE,
        ),
        (
            "\n{{ nb.cells | no_such_filter }}",
            "Template my.tpl:2: No filter named 'no_such_filter'.",
        ),
        (
            "{% extends 'no_such.tpl' %}",
            'Template my.tpl:1: there is no template "no_such.tpl" to extend or include.',
        ),
        (
            "{% include '../secret.txt' %}",
            'Template my.tpl:1: the file "../secret.txt" is outside the inputs directory.',
        ),
        (
            "{% include 'link.txt' %}",
            'Template my.tpl:1: the file "link.txt" is outside the inputs directory.',
        ),
        (
            "x\n\ninclude::/etc/passwd[]\n",
            'Template file "/etc/passwd": it is outside the inputs directory.',
        ),
        (
            "{{ ''.__class__.__mro__ }}",
            "Template my.tpl:1: SecurityError: access to attribute '__class__' of 'str' object is unsafe.",
        ),
    ],
)
def test_an_error_in_a_template_says_where(tmp_path: Path, text: str, message: str) -> None:
    """File, line and cell; nothing outside the inputs directory is read."""
    (tmp_path / "secret.txt").write_text("outside")
    path = template(tmp_path, text)
    (tmp_path / "inputs" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ReportError) as caught:
        make(tmp_path, *CELLS, template=path, inputs_dir=tmp_path / "inputs")
    first, hint = str(caught.value).split("\n")
    assert first == message
    assert hint.startswith(("  Correct the template", "  Put "))


@pytest.mark.integration
def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Without the directories of this machine."""
    with pytest.raises(ReportError, match=r"Template none\.tpl: it cannot be read \(FileNotFound"):
        make(tmp_path, *CELLS, template=tmp_path / "none.tpl")


@pytest.mark.integration
def test_templates_see_what_a_report_may_show_and_nothing_else(tmp_path: Path) -> None:
    """Neither secrets nor settings are among the values of a template."""
    text = (
        "{{ self._TemplateReference__context }}{{ report.keys() | sort | join(' ') }} "
        "{{ resources.outputs | length }} {{ markdown2asciidoc is defined }}"
    )
    report = make(tmp_path, *CELLS, template=template(tmp_path, text), secrets=("hush",))
    expected = "author language notes parameters provenance reference_date show_code title workflow 1 False"
    assert expected in " ".join(report.text.split())


@pytest.mark.integration
def test_asciidoc_that_cannot_be_read_gives_a_report_with_the_built_in_template(
    tmp_path: Path,
) -> None:
    """With a remark at its head that says why."""
    path = template(
        tmp_path, "{% extends 'asciidoc.tpl' %}{% block footer %}\n.dangling title\n{% endblock %}"
    )
    report = make(tmp_path, *CELLS, template=path, engine="typst")
    assert report.summary.engine == "typst"
    (note,) = report.summary.notes
    assert note.startswith(
        'Made with the built-in template: the AsciiDoc of "my.tpl" could not be read'
    )
    assert "Made with the built-in template" in report.pages[0]
    assert "the | result" in report.text


@pytest.mark.integration
def test_a_block_that_is_never_closed_ends_with_the_document(tmp_path: Path) -> None:
    """As in Asciidoctor, and the report says so instead of never being finished."""
    path = template(
        tmp_path, "{% extends 'asciidoc.tpl' %}{% block header %}\n++++\n{% endblock %}"
    )
    report = make(tmp_path, *CELLS, template=path)
    assert report.summary.notes == (
        'The AsciiDoc of "my.tpl" opens a block with ++++ and never closes it.',
    )


@pytest.mark.integration
def test_kept_sources_can_be_compiled_again(tmp_path: Path) -> None:
    """The AsciiDoc is whole, and the Typst has all that it needs beside it."""
    import typst

    kept = tmp_path / "kept"
    make(tmp_path, *CELLS, keep_source=kept)
    asciidoc = (kept / "report.asciidoc").read_text(encoding="utf-8")
    assert "== Flows _above_ normal" in asciidoc
    assert "|===" in asciidoc
    assert "autoflow-part" not in asciidoc
    compiled = typst.compile(kept / "report.typ", root=kept)
    assert isinstance(compiled, bytes)
    assert compiled.startswith(b"%PDF")


@pytest.mark.integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
def test_the_example_templates_work(tmp_path: Path, chosen: Any) -> None:
    """The templates of the gallery are those that the documentation explains."""
    name = "letterhead.asciidoc.j2" if chosen == "pdf" else "letterhead.html.j2"
    inputs = tmp_path / "inputs"
    shutil.copytree(EXAMPLE, inputs, ignore=shutil.ignore_patterns("*.ipynb", "pages"))
    report = make(tmp_path, *CELLS, format=chosen, template=inputs / name, inputs_dir=inputs)
    assert report.summary.notes == ()
    assert "For official use" in report.text


@pytest.mark.integration
def test_html_templates_override_blocks(tmp_path: Path) -> None:
    """The blocks of cells have the names that they have for PDF."""
    text = (
        "{% extends 'autoflow/report.html.j2' %}\n"
        "{% block title %}<h1>Mine: {{ report.title | text2html }}</h1>{% endblock %}\n"
        "{% block markdowncell scoped %}<section>{{ super() }}</section>{% endblock %}\n"
        "{% block style %}{{ super() }} body { color: navy }{% endblock %}"
    )
    report = make(tmp_path, *CELLS, format="html", template=template(tmp_path, text, "my.html.j2"))
    assert "<h1>Mine: Flows above normal</h1>" in report.text
    assert "body { color: navy }" in report.text
    assert "<section>" in report.text


@pytest.mark.integration
@pytest.mark.skipif(
    shutil.which("asciidoctor-pdf") is None, reason="asciidoctor-pdf is not installed"
)
def test_asciidoctor_can_be_chosen(tmp_path: Path) -> None:
    """The same AsciiDoc goes to it, with data as safe from it as from Typst."""
    nasty = "include::/etc/passwd[]\na|b <<x>> {attr} ++++ `c` *b*"
    table = f"<table><tr><td>{html.escape(nasty)}</td></tr></table>"
    cells = [*CELLS, code("x", result(nasty)), code("y", shown("text/html", table))]
    report = make(tmp_path, *cells, engine="asciidoctor")
    assert report.summary.engine == "asciidoctor"
    assert "root:" not in report.text
    assert report.squeezed.count("a|b<<x>>{attr}++++`c`*b*") == 2
    assert "About" not in report.text
    assert "flows_report.ipynb" in report.text


@pytest.mark.integration
def test_asciidoctor_is_asked_for_only_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReportError, match="asciidoctor-pdf is not on the PATH"):
        make(tmp_path, *CELLS, engine="asciidoctor")


def test_conditions_and_includes_are_decided_line_by_line(tmp_path: Path) -> None:
    """Nested, on one line, by attributes of the text itself, but not inside listings."""
    (tmp_path / "inner.adoc").write_text("inner\n")
    (tmp_path / "outer.adoc").write_text("outer\ninclude::inner.adoc[]\n")
    text = (
        ":mine: 1\nifdef::mine[]\na\nifdef::other[]\nb\nendif::[]\nendif::[]\nifndef::mine[c]\n"
        "ifdef::mine,other[d]\nifdef::mine+other[e]\n:!mine:\nifdef::mine[f]\n"
        "include::outer.adoc[]\n----\ninclude::inner.adoc[]\n----"
    )
    resolved = resolve_directives(text, tmp_path)
    assert resolved == (":mine: 1\na\nd\n:!mine:\nouter\ninner\n----\ninclude::inner.adoc[]\n----")
    (tmp_path / "loop.adoc").write_text("include::loop.adoc[]")
    for bad in ("include::loop.adoc[]", "include::none.adoc[]", "include::../x[]"):
        with pytest.raises(ReportError):
            resolve_directives(bad, tmp_path)


@pytest.mark.parametrize(
    ("text", "closed", "unclosed"),
    [
        ("a\n----\nb\n----\n", "a\n----\nb\n----\n", []),
        ("----\nb", "----\nb\n----\n", ["----"]),
        ("====\n\nx\n\n====", "====\nx\n====", []),
        ("----\n\n====\n\n----", "----\n\n====\n\n----", []),
        ("====\n****\nx", "====\n****\nx\n****\n====\n", ["****", "===="]),
    ],
)
def test_blocks_are_closed(text: str, closed: str, unclosed: list[str]) -> None:
    """Verbatim blocks hide delimiters; blank lines inside others go."""
    assert with_closed_blocks(text) == (closed, unclosed)


def test_a_part_is_replaced_only_where_it_is_still_whole() -> None:
    """A template may change what a filter gave it; then its own AsciiDoc counts."""
    parts = Parts(b"seed")
    first = parts.add(Part("typst", "== One", "#one", "one"))
    second = parts.add(Part("typst", "Two", "#two", "two"))
    body = f"{first}\n* {second}\n{first.replace('One', 'Changed')}"
    placed = parts.with_placeholders(body)
    assert parts.placeholder(1) in placed
    assert parts.placeholder(2) not in placed
    assert "* Two" in placed
    assert "== Changed" in placed
    assert "autoflow-part" not in placed
    assert parts.written_out(placed).count("== One") == 1


def test_options_and_write_report_have_defaults(tmp_path: Path) -> None:
    """The least that can be said makes a PDF."""
    assert ReportOptions().format == "pdf"
    with pytest.raises(ReportError, match=r"none\.ipynb: it cannot be read"):
        write_report(tmp_path / "none.ipynb", tmp_path / "x.pdf")
