{{/* The template of the operator's pods, from (list context shard). */}}
{{- define "coze-nats-operator.pod" -}}
{{- $shard := index . 1 }}
{{- with index . 0 -}}
metadata:
  labels:
    {{- include "coze-nats-operator.labelsWith" (list . (merge (dict) $shard.labels (include "coze-nats-operator.selectorLabels" . | fromYaml) .Values.podLabels)) | nindent 4 }}
  {{- $annotations := deepCopy .Values.podAnnotations }}
  {{- with include "coze-nats-operator.credentials" . }}
  {{- /* Credentials are read at start-up: new ones need new pods. */}}
  {{- $_ := set $annotations "checksum/connection" (sha256sum .) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "coze-nats-operator.serviceAccountName" . }}
  # A Service named nats next door would put its own NATS_* variables into the container.
  enableServiceLinks: false
  {{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: operator
      {{- include "coze-nats-operator.container" $ | nindent 6 }}
  {{- with include "coze-nats-operator.volumes" . }}
  volumes:
    {{- trim . | nindent 4 }}
  {{- end }}
  {{- with include "coze-nats-operator.spread" $ }}
  topologySpreadConstraints:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraPodSpec }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The operator's container, from (list context shard). */}}
{{- define "coze-nats-operator.container" -}}
{{- with index . 0 -}}
image: {{ include "coze-nats-operator.image" (list .Values.image (include "coze-nats-operator.released" .) .Values.global.imageRegistry) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- include "coze-nats-operator.arguments" $ | nindent 2 }}
{{- with trim (printf "%s\n%s" (include "coze-nats-operator.connectionEnv" .) (empty .Values.extraEnv | ternary "" (toYaml .Values.extraEnv))) }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with trim (printf "%s\n%s" (include "coze-nats-operator.connectionEnvFrom" .) (empty .Values.extraEnvFrom | ternary "" (toYaml .Values.extraEnvFrom))) }}
envFrom:
  {{- . | nindent 2 }}
{{- end }}
ports:
  - name: health
    containerPort: {{ int .Values.healthPort }}
livenessProbe:
  httpGet:
    path: /healthz
    port: health
  {{- toYaml .Values.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: health
  {{- toYaml .Values.readinessProbe | nindent 2 }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "coze-nats-operator.volumeMounts" . }}
volumeMounts:
  {{- trim . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The operator writes no file: all volumes are read-only, but for those of values. */}}
{{- define "coze-nats-operator.volumes" -}}
{{- include "coze-nats-operator.connectionVolumes" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "coze-nats-operator.volumeMounts" -}}
{{- include "coze-nats-operator.connectionMounts" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Spread constraints; one without a selector is about the pods of its shard; from (list context shard). */}}
{{- define "coze-nats-operator.spread" -}}
{{- $ours := dict "labelSelector" (dict "matchLabels" (include "coze-nats-operator.shardLabels" . | fromYaml)) }}
{{- range (index . 0).Values.topologySpreadConstraints }}
- {{ toYaml (hasKey . "labelSelector" | ternary . (merge (deepCopy .) $ours)) | nindent 2 | trim }}
{{- end }}
{{- end }}
