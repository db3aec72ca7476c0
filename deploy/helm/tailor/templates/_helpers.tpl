{{/* The name that everything of this release begins with. */}}
{{- define "tailor.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select: they never change. Takes root and component. */}}
{{- define "tailor.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels. Takes root and component. */}}
{{- define "tailor.labels" -}}
{{ include "tailor.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "tailor.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{/* A pool with the defaults of all pools filled in, as JSON. Takes root and pool. */}}
{{- define "tailor.pool" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.workers.defaults) .pool | mustToJson -}}
{{- end -}}

{{- define "tailor.poolName" -}}
{{ include "tailor.fullname" .root }}-worker-{{ .pool.name }}
{{- end -}}

{{/* The environment of the API and of workers. Takes root and settings, the settings of the component's own. */}}
{{- define "tailor.env" -}}
{{- $values := .root.Values -}}
{{- if $values.redis.enabled }}
- name: TAILOR_REDIS_URL
  value: redis://{{ include "tailor.fullname" .root }}-redis:6379/0
{{- else if $values.redis.existingSecret }}
- name: TAILOR_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ $values.redis.existingSecret }}, key: redis-url}}
{{- else }}
- name: TAILOR_REDIS_URL
  value: {{ required "redis.url or redis.existingSecret: name a Redis, or set redis.enabled" $values.redis.url | quote }}
{{- end }}
- name: TAILOR_STORAGE
  value: {{ $values.storage.url | quote }}
- name: TAILOR_S3_REGION
  value: {{ $values.storage.region | quote }}
{{- with $values.storage.endpoint }}
- name: TAILOR_S3_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with $values.storage.publicEndpoint }}
- name: TAILOR_S3_PUBLIC_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with $values.storage.existingSecret }}
- name: TAILOR_S3_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access-key}}
- name: TAILOR_S3_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret-key}}
{{- end }}
{{- with $values.links.publicUrl }}
- name: TAILOR_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with $values.links.existingSecret }}
- name: TAILOR_SECRET
  valueFrom: {secretKeyRef: {name: {{ . }}, key: signing-key}}
- name: TAILOR_WEBHOOK_SECRETS
  valueFrom: {secretKeyRef: {name: {{ . }}, key: webhook-secrets, optional: true}}
{{- end }}
{{- range $name, $value := mustMergeOverwrite (deepCopy $values.settings) .settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{/* Pods run as the images' own user. */}}
{{- define "tailor.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tailor.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Pods of one component rather on several nodes. Takes root and component. */}}
{{- define "tailor.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "tailor.selector" . | nindent 6 }}
{{- end -}}

{{/* nodeSelector, tolerations and affinity, where they are given. Takes the component's values. */}}
{{- define "tailor.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
