{% extends "asciidoc/index.asciidoc.j2" %}
{% block input %}{% endblock %}
