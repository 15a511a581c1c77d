{{/* The operator's own connection to NATS: variables, the Secrets they come from, mounted files. */}}

{{/* Variables that are secrets, as lines of YAML; "" if values hold none. */}}
{{- define "coze-nats-operator.credentials" -}}
{{- $variables := dict }}
{{- with .Values.connection.auth }}
{{- range $name, $value := dict "NATS_TOKEN" .token "NATS_USERNAME" .username "NATS_PASSWORD" .password "NATS_JWT_TOKEN" .jwt }}
{{- if $value }}
{{- $_ := set $variables $name $value }}
{{- end }}
{{- end }}
{{- end }}
{{- if $variables }}
{{- toYaml $variables }}
{{- end }}
{{- end }}

{{/* Secrets whose keys are variables, as entries of a container's envFrom. */}}
{{- define "coze-nats-operator.connectionEnvFrom" -}}
{{- with .Values.connection.existingSecret }}
- secretRef:
    name: {{ . }}
    {{- if $.Values.connection.existingSecretOptional }}
    optional: true
    {{- end }}
{{- end }}
{{- if include "coze-nats-operator.credentials" . }}
- secretRef:
    name: {{ include "coze-nats-operator.fullname" . }}-connection
{{- end }}
{{- end }}

{{/* Variables that are no secrets, as entries of a container's env. */}}
{{- define "coze-nats-operator.connectionEnv" -}}
{{- range $name, $value := include "coze-nats-operator.connectionVariables" . | fromYaml }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range include "coze-nats-operator.connectionFiles" . | fromYamlArray }}
{{- $directory := printf "/etc/coze-nats/%s" .name }}
{{- range $name, $key := .variables }}
- name: {{ $name }}
  value: {{ $directory }}/{{ $key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "coze-nats-operator.connectionVariables" -}}
{{- with .Values.connection }}
{{- with .servers }}
NATS_SERVER_URL: {{ join "," . | quote }}
{{- end }}
{{- with .tls.serverName }}
NATS_TLS_SERVER_NAME: {{ . | quote }}
{{- end }}
{{- if .tls.handshakeFirst }}
NATS_TLS_FIRST: "true"
{{- end }}
{{- with .domain }}
NATS_JS_DOMAIN: {{ . | quote }}
{{- end }}
{{- with .apiPrefix }}
NATS_JS_API_PREFIX: {{ . | quote }}
{{- end }}
{{- with .requestTimeout }}
NATS_TIMEOUT: {{ . | quote }}
{{- end }}
{{- if not (kindIs "invalid" .streamReplicas) }}
NATS_STREAM_REPLICAS: {{ .streamReplicas | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is mounted at /etc/coze-nats/<name>: a source of a volume, and which variable names which of its keys. */}}
{{- define "coze-nats-operator.connectionFiles" -}}
{{- with .Values.connection }}
{{- if .creds.secretName }}
- name: creds
  source: {secret: {secretName: {{ .creds.secretName }}, defaultMode: 0440}}
  variables: {NATS_CREDS: {{ .creds.key }}}
{{- end }}
{{- if .nkey.secretName }}
- name: nkey
  source: {secret: {secretName: {{ .nkey.secretName }}, defaultMode: 0440}}
  variables: {NATS_NKEY_SEED: {{ .nkey.key }}}
{{- end }}
{{- if .tls.ca.secretName }}
- name: ca
  source: {secret: {secretName: {{ .tls.ca.secretName }}}}
  variables: {NATS_CA: {{ .tls.ca.key }}}
{{- else if .tls.ca.configMapName }}
- name: ca
  source: {configMap: {name: {{ .tls.ca.configMapName }}}}
  variables: {NATS_CA: {{ .tls.ca.key }}}
{{- end }}
{{- if .tls.certificate.secretName }}
- name: certificate
  source: {secret: {secretName: {{ .tls.certificate.secretName }}, defaultMode: 0440}}
  variables: {NATS_CERT: tls.crt, NATS_KEY: tls.key}
{{- end }}
{{- end }}
{{- end }}

{{- define "coze-nats-operator.connectionMounts" -}}
{{- range include "coze-nats-operator.connectionFiles" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: /etc/coze-nats/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "coze-nats-operator.connectionVolumes" -}}
{{- range include "coze-nats-operator.connectionFiles" . | fromYamlArray }}
- name: {{ .name }}
  {{- toYaml .source | nindent 2 }}
{{- end }}
{{- end }}
