{{/* Names, labels, and what several objects have in common. */}}

{{- define "coze-nats-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of the objects: short enough that a suffix of 16 characters fits behind it. */}}
{{- define "coze-nats-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 47 | trimSuffix "-" }}
{{- end }}

{{/* The roles of users are not about the operator's process. */}}
{{- define "coze-nats-operator.shortname" -}}
{{- include "coze-nats-operator.fullname" . | trimSuffix "-operator" }}
{{- end }}

{{- define "coze-nats-operator.serviceAccountName" -}}
{{- $ours := ternary (include "coze-nats-operator.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $ours .Values.serviceAccount.name }}
{{- end }}

{{- define "coze-nats-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "coze-nats-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/*
What is particular to each shard: the end of its names, its flag, and the labels that tell its pods
from those of others. Where there are no shards, there is one without anything particular.
*/}}
{{- define "coze-nats-operator.shards" -}}
{{- $count := int (default 1 .Values.shards) }}
{{- range $index := until $count }}
{{- if eq $count 1 }}
- {suffix: "", flag: "", labels: {}}
{{- else }}
- {suffix: "-{{ $index }}", flag: {{ $index }}/{{ $count }}, labels: {coze.dev/shard: {{ $index | quote }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* By which the pods of a shard are selected, from (list context shard). */}}
{{- define "coze-nats-operator.shardLabels" -}}
{{- include "coze-nats-operator.selectorLabels" (index . 0) }}
{{- with (index . 1).labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "coze-nats-operator.labels" -}}
{{- include "coze-nats-operator.labelsWith" (list . dict) }}
{{- end }}

{{/* Labels of an object that has some of its own: (list context labels). */}}
{{- define "coze-nats-operator.labelsWith" -}}
{{- $own := index . 1 }}
{{- with index . 0 }}
{{- $labels := dict
  "app.kubernetes.io/part-of" "coze-nats"
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- $selected := include "coze-nats-operator.selectorLabels" . | fromYaml }}
{{- toYaml (mergeOverwrite $labels .Values.commonLabels $selected $own) }}
{{- end }}
{{- end }}

{{/* Labels of what `helm test` makes: the operator's selectors must not find it. */}}
{{- define "coze-nats-operator.testLabels" -}}
{{- $name := printf "%s-test" (include "coze-nats-operator.name" .) }}
{{- include "coze-nats-operator.labelsWith" (list . (dict "app.kubernetes.io/name" $name)) }}
{{- end }}

{{/* What the chart adds to the metadata of a CRD. */}}
{{- define "coze-nats-operator.crdMetadata" -}}
labels:
  {{- include "coze-nats-operator.labels" . | nindent 2 }}
{{- $annotations := deepCopy .Values.crds.annotations }}
{{- if .Values.crds.keep }}
{{- $_ := set $annotations "helm.sh/resource-policy" "keep" }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The tag that the chart was released with and, in a released chart, the digest of its image. */}}
{{- define "coze-nats-operator.released" -}}
{{- .Chart.AppVersion }}
{{- with index .Chart.Annotations "coze.dev/image-digest" }}@{{ . }}{{ end }}
{{- end }}

{{/* repository@digest or repository:tag, from (list image defaultTag registry); a registry takes the place of the first part. */}}
{{- define "coze-nats-operator.image" -}}
{{- $image := index . 0 }}
{{- $repository := $image.repository }}
{{- with index . 2 }}
{{- $rest := rest (splitList "/" $repository) }}
{{- $repository = join "/" (prepend $rest .) }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default (index . 1) $image.tag) }}
{{- end }}
{{- end }}

{{/* Whether to make an object of an API that not every cluster serves, from (list context "group/version/Kind"); "" means no. */}}
{{- define "coze-nats-operator.renders" -}}
{{- $context := index . 0 }}
{{- $kind := index . 1 }}
{{- $mode := $context.Values.metrics.renderMode }}
{{- if or (eq $mode "alwaysRender") ($context.Capabilities.APIVersions.Has $kind) -}}
yes
{{- else if eq $mode "failIfMissing" }}
{{- fail (printf "\n\nThis cluster doesn't serve %s. Install the Prometheus operator's CRDs, or set metrics.renderMode to skipIfMissing." $kind) }}
{{- end }}
{{- end }}

{{/* Fails for values that can't work together. */}}
{{- define "coze-nats-operator.validate" -}}
{{- if not .Values.leaderElection.enabled }}
{{- if gt (int .Values.replicas) 1 }}
{{- fail "\n\nreplicas: without leaderElection.enabled there may be one operator at a time." }}
{{- end }}
{{- if gt (int .Values.shards) 1 }}
{{- fail "\n\nshards: more than one needs leaderElection.enabled: true." }}
{{- end }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) }}
{{- fail "\n\npodDisruptionBudget: name minAvailable or maxUnavailable, not both." }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "\n\nmetrics.serviceMonitor needs metrics.service.enabled: true; metrics.podMonitor doesn't." }}
{{- end }}
{{- include "coze-nats-operator.validateConnection" .Values.connection }}
{{- range .Values.extraArgs }}
{{- $value := get (dict "--health-port" "healthPort" "--lease-name" "leaderElection.leaseName" "--namespace" "watchNamespaces" "--shard" "shards" "--leader-elect" "leaderElection.enabled") (first (splitList "=" .)) }}
{{- with $value }}
{{- fail (printf "\n\nextraArgs: set %s in its place, which probes and rights go by." .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fails for values of the connection that the operator would end with. */}}
{{- define "coze-nats-operator.validateConnection" -}}
{{- if and .domain .apiPrefix }}
{{- fail "\n\nconnection: name domain or apiPrefix, not both." }}
{{- end }}
{{- if and .tls.ca.secretName .tls.ca.configMapName }}
{{- fail "\n\nconnection.tls.ca: name secretName or configMapName, not both." }}
{{- end }}
{{- $ways := list }}
{{- range $name, $is := dict "auth.token" .auth.token "auth.username" .auth.username "creds" .creds.secretName "auth.jwt or nkey" (or .auth.jwt .nkey.secretName) }}
{{- if $is }}
{{- $ways = append $ways $name }}
{{- end }}
{{- end }}
{{- if gt (len $ways) 1 }}
{{- fail (printf "\n\nconnection: %s exclude each other: keep one way to log in." (join " and " (sortAlpha $ways))) }}
{{- end }}
{{- if and (not .existingSecret) (ne (empty .auth.username) (empty .auth.password)) }}
{{- fail "\n\nconnection.auth: username and password go together: set both or neither." }}
{{- end }}
{{- end }}
