{{/* The operator's own rights, and no more: a test takes each one away and sees something fail. */}}

{{/* In each namespace that it looks after. */}}
{{- define "coze-nats-operator.rights" -}}
# Watch what is declared; patch sets and removes the finalizer.
- apiGroups: [jetstream.coze.dev]
  resources: [cozestreams, cozeconsumers, cozeconnections]
  verbs: [list, watch, patch]
# Report how it stands.
- apiGroups: [jetstream.coze.dev]
  resources: [cozestreams/status, cozeconsumers/status, cozeconnections/status]
  verbs: [patch]
# Read what connections log in with, one by one, by name.
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get]
# Tell what happened.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* In the cluster. */}}
{{- define "coze-nats-operator.identityRights" -}}
# The cluster's identity, written into what the operator owns in JetStream, is this namespace's uid.
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- end }}

{{/* In the release's own namespace, for leader election. */}}
{{- define "coze-nats-operator.leaseRights" -}}
{{- $name := include "coze-nats-operator.leaseName" . -}}
# Who may create can't be told which; nobody deletes a Lease.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames:
    - {{ $name }}
    {{- $shards := include "coze-nats-operator.shards" . | fromYamlArray }}
    {{- range $shards }}
    {{- with .suffix }}
    - {{ $name }}{{ . }}-of-{{ len $shards }}
    {{- end }}
    {{- end }}
  verbs: [get, update]
{{- end }}

{{/* roleRef of a Role or ClusterRole of that name, and the operator as the subject, from (list context kind name). */}}
{{- define "coze-nats-operator.binding" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "coze-nats-operator.serviceAccountName" (index . 0) }}
    namespace: {{ (index . 0).Release.Namespace }}
{{- end }}
