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

{{/*
The groups of files/alerts.yaml as the values want them, from (list context values). A threshold is
the number at the end of a line.
*/}}
{{- define "coze-nats-operator.alerts" -}}
{{- $wanted := (index . 1).alerts }}
{{- $pages := (index . 1).runbookUrl }}
groups:
{{- range $group := ((index . 0).Files.Get "files/alerts.yaml" | fromYaml).groups }}
{{- $rules := list }}
{{- range $rule := $group.rules }}
{{- $own := default dict (get $wanted .alert) }}
{{- if ne (toString $own.enabled) "false" }}
{{- with $own.threshold }}
{{- $_ := set $rule "expr" (regexReplaceAll "(?m)> [0-9.]+$" $rule.expr (printf "> %v" .)) }}
{{- end }}
{{- with $own.for }}
{{- $_ := set $rule "for" . }}
{{- end }}
{{- with $own.severity }}
{{- $_ := set $rule.labels "severity" . }}
{{- end }}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s#%s" $pages (lower .alert)) }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- with $rules }}
- name: {{ $group.name }}
  rules:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
