"""What is generated into the chart: the table of values, and the CRDs as templates."""

import pytest

import chart

CRD = """\
# Generated.
apiVersion: apiextensions.k8s.io/v1
metadata:
  name: cozestreams.jetstream.coze.dev
spec:
  description: write {{wildcard(1)}}
"""

VALUES = """\
# About the file.

# --- One ----------

image:
  # -- Where it is
  repository: here
  # A word in between.
  # -- Tag, or
  # nothing
  # @default -- the newest
  tag: ""

# --- Two ----------

# -- Everything | nothing
pods:
  cpu: 1
"""

TABLES = """\
### One

| Value | Default | Effect |
| --- | --- | --- |
| `image.repository` | `"here"` | Where it is |
| `image.tag` | the newest | Tag, or nothing |

### Two

| Value | Default | Effect |
| --- | --- | --- |
| `pods` | `{"cpu": 1}` | Everything \\| nothing |"""


def test_a_crd_becomes_a_template_that_helm_leaves_as_it_is() -> None:
    assert chart.crd_template(CRD) == (
        "{{- if .Values.crds.enabled }}\n"
        "# Generated.\n"
        "apiVersion: apiextensions.k8s.io/v1\n"
        "metadata:\n"
        "  name: cozestreams.jetstream.coze.dev\n"
        '  {{- include "coze-nats-operator.crdMetadata" . | nindent 2 }}\n'
        "spec:\n"
        '  description: write {{ "{{" }}wildcard(1)}}\n'
        "{{- end }}\n"
    )


def test_a_crd_without_the_place_for_metadata_is_an_error() -> None:
    with pytest.raises(ValueError, match="one `metadata`"):
        chart.crd_template("kind: CustomResourceDefinition\n")


def test_the_table_has_a_row_for_each_described_value_and_one_for_a_described_group() -> None:
    assert chart.values_tables(VALUES) == TABLES


@pytest.mark.parametrize(
    "values, words",
    [
        ("# --- One ---\n\nimage:\n  tag: a\n", "image.tag has no description"),
        ("# -- Described\nimage: a\n", "must begin with a section"),
    ],
)
def test_a_value_without_a_description_or_section_is_an_error(values: str, words: str) -> None:
    with pytest.raises(chart.UndocumentedValue, match=words):
        chart.values_tables(values)
