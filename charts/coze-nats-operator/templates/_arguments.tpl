{{/* The command line of the operator, as a list. */}}
{{- define "coze-nats-operator.arguments" -}}
- operator
{{- range .Values.watchNamespaces }}
- --namespace={{ . }}
{{- end }}
{{- with .Values.clusterId }}
- --cluster-id={{ . }}
{{- end }}
- --resync-interval={{ .Values.resyncInterval }}
{{- if .Values.dryRun }}
- --dry-run
{{- end }}
{{- with .Values.maxDeletionsPerMinute }}
- --max-deletions-per-minute={{ int . }}
{{- end }}
{{- range $name, $value := .Values.policies }}
{{- with $value }}
- --default-policy={{ $name }}={{ . }}
{{- end }}
{{- end }}
- --health-port={{ int .Values.healthPort }}
- --metrics-max-objects={{ int .Values.metrics.maxObjects }}
- --log-format={{ .Values.log.format }}
- --log-level={{ .Values.log.level }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
