{{/* What the objects for Prometheus and Grafana have in common. */}}

{{/* metadata, from (list context values [name]). */}}
{{- define "coze-nats-operator.monitorMetadata" -}}
{{- $context := index . 0 }}
{{- $values := index . 1 -}}
name: {{ include "coze-nats-operator.fullname" $context }}
namespace: {{ default $context.Release.Namespace $values.namespace }}
labels:
  {{- include "coze-nats-operator.labelsWith" (list $context $values.labels) | nindent 2 }}
{{- with $values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The operator's Service and pods bear these labels. */}}
{{- define "coze-nats-operator.selection" -}}
namespaceSelector:
  matchNames: [{{ .Release.Namespace }}]
selector:
  matchLabels:
    {{- include "coze-nats-operator.selectorLabels" . | nindent 4 }}
{{- end }}

{{- define "coze-nats-operator.endpoint" -}}
port: health
path: /metrics
# The labels kind, namespace and name are those of resources, not of the operator's pod.
honorLabels: true
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
