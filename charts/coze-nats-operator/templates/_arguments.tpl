{{/* The command line of the operator, as a list, from (list context shard). */}}
{{- define "coze-nats-operator.arguments" -}}
{{- $shard := index . 1 }}
{{- with index . 0 -}}
- operator
{{- range .Values.watchNamespaces }}
- --namespace={{ . }}
{{- end }}
{{- with .Values.clusterId }}
- --cluster-id={{ . }}
{{- end }}
{{- range .Values.succeedsClusterIds }}
- --succeeds-cluster-id={{ . }}
{{- end }}
- --resync-interval={{ .Values.resyncInterval }}
{{- with .Values.defaultConnection }}
- --default-connection={{ . }}
{{- end }}
{{- if .Values.allowLocalServers }}
- --allow-local-servers
{{- end }}
{{- if .Values.dryRun }}
- --dry-run
{{- end }}
{{- with .Values.maxDeletionsPerMinute }}
- --max-deletions-per-minute={{ int . }}
{{- end }}
- --max-connections={{ int .Values.maxConnections }}
{{- range $name, $value := .Values.policies }}
{{- with $value }}
- --default-policy={{ $name }}={{ . }}
{{- end }}
{{- end }}
{{- range .Values.forbiddenPolicies }}
- --forbid-policy={{ . }}
{{- end }}
{{- with .Values.leaderElection }}
{{- if .enabled }}
- --leader-elect
- --lease-name={{ include "coze-nats-operator.leaseName" (index $ 0) }}
- --lease-duration={{ .leaseDuration }}
- --lease-renew-deadline={{ .renewDeadline }}
- --lease-retry-period={{ .retryPeriod }}
{{- end }}
{{- end }}
{{- with $shard.flag }}
- --shard={{ . }}
{{- end }}
- --health-port={{ int .Values.healthPort }}
- --metrics-max-objects={{ int .Values.metrics.maxObjects }}
- --log-format={{ .Values.log.format }}
- --log-level={{ .Values.log.level }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "coze-nats-operator.leaseName" -}}
{{- default (include "coze-nats-operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}
