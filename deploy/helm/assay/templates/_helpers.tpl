{{- define "assay.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* 40: room for the longest suffix, and for what a StatefulSet appends in its pods' labels. */}}
{{- define "assay.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "assay.name" .) .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (include "assay.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "assay.instance" -}}
app.kubernetes.io/name: {{ include "assay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* A selector: never anything that an upgrade changes. Takes (list root component). */}}
{{- define "assay.selector" -}}
{{ include "assay.instance" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* Takes (list root component). */}}
{{- define "assay.labels" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.commonLabels }}{{ toYaml . }}
{{ end -}}
{{ include "assay.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: assay
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "assay.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "assay.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "assay.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "assay.group" -}}
{{ .Values.config.topic_prefix }}{{ .Values.config.app_id }}
{{- end }}

{{- define "assay.keySecret" -}}
{{ default (printf "%s-key" (include "assay.fullname" .)) .Values.pseudonymKey.existingSecret }}
{{- end }}

{{- /* The settings file: what the operator chose, and what only the chart can know. A file that only one component's pods
have is named by a variable there. */}}
{{- define "assay.settings" -}}
{{- $own := dict
  "data_dir" "/var/lib/assay" "web_host" .Values.listenAddress "web_port" 6066
  "ingest" (dict "host" .Values.listenAddress "port" 6068 "web_host" .Values.listenAddress "web_port" 6069)
  "forward" (dict "metrics_host" .Values.listenAddress "metrics_port" 6067)
  "console" (dict "host" .Values.listenAddress "port" 6070 "web_host" .Values.listenAddress "web_port" 6071)
-}}
{{- if not .Values.config.insecure_dev_key }}{{ $_ := set $own "pseudonym_key_file" "/run/secrets/assay/key/pseudonym-key" }}{{ end -}}
{{- if .Values.policy }}{{ $_ := set $own "policy" "/etc/assay/policy.yaml" }}{{ end -}}
{{- if or .Values.prices.book .Values.prices.existingConfigMap }}{{ $_ := set $own "prices" (dict "book" "/etc/assay-prices/prices.yaml") }}{{ end -}}
{{ mergeOverwrite (deepCopy .Values.config) $own | toYaml }}
{{- end }}

{{- /* Pods begin anew when what they read at their start changes. Takes root. */}}
{{- define "assay.checksums" -}}
checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
{{- if .Values.pseudonymKey.value }}
checksum/key: {{ .Values.pseudonymKey.value | sha256sum | trunc 16 }}
{{- end }}
{{- end }}

{{- /* What every pod has. Takes (list root component itsValues). */}}
{{- define "assay.pod" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 -}}
serviceAccountName: {{ include "assay.serviceAccount" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Takes (list root component itsValues). */}}
{{- define "assay.spread" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 -}}
{{- if or (ne $values.spread "none") $values.topologySpreadConstraints -}}
topologySpreadConstraints:
  {{- if ne $values.spread "none" }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" (eq $values.spread "hard") }}
    labelSelector:
      matchLabels: {{ include "assay.selector" (list $root $component) | nindent 8 }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "assay.selector" (list $root $component) | nindent 8 }}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "assay.container" -}}
image: {{ include "assay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{ toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{- define "assay.env" -}}
- name: ASSAY_CONFIG
  value: /etc/assay/assay.yaml
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "assay.mounts" -}}
- name: config
  mountPath: /etc/assay
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if not .Values.config.insecure_dev_key }}
- name: key
  mountPath: /run/secrets/assay/key
  readOnly: true
{{- end }}
{{- if or .Values.prices.book .Values.prices.existingConfigMap }}
- name: prices
  mountPath: /etc/assay-prices
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "assay.volumes" -}}
- name: config
  configMap:
    name: {{ include "assay.fullname" . }}
    items:
      - {key: assay.yaml, path: assay.yaml}
      {{- if .Values.policy }}
      - {key: policy.yaml, path: policy.yaml}
      {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if not .Values.config.insecure_dev_key }}
- name: key
  secret:
    secretName: {{ include "assay.keySecret" . }}
    defaultMode: 0440
    items:
      - {key: {{ ternary .Values.pseudonymKey.key "pseudonym-key" (ne .Values.pseudonymKey.existingSecret "") }}, path: pseudonym-key}
{{- end }}
{{- if or .Values.prices.book .Values.prices.existingConfigMap }}
- name: prices
  configMap:
    name: {{ default (include "assay.fullname" .) .Values.prices.existingConfigMap }}
    items:
      - {key: {{ ternary .Values.prices.key "prices.yaml" (ne .Values.prices.existingConfigMap "") }}, path: prices.yaml}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Takes (list path port seconds), the seconds a pod may take until it answers. */}}
{{- define "assay.probes" -}}
{{- $port := index . 0 -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ $port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ max 1 (div (index . 1) 5) }}
livenessProbe:
  httpGet: {path: /healthz, port: {{ $port }}}
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /readyz, port: {{ $port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- /* A claim of each pod's own. Its labels never change, as nothing of a claim's template can. Takes (list root component persistence). */}}
{{- define "assay.claim" -}}
{{- $persistence := index . 2 -}}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ $persistence.whenDeleted }}
  whenScaled: {{ $persistence.whenScaled }}
volumeClaimTemplates:
  - metadata:
      name: data
      labels: {{ include "assay.selector" (list (index . 0) (index . 1)) | nindent 8 }}
    spec:
      accessModes: {{ toYaml $persistence.accessModes | nindent 8 }}
      {{- with $persistence.storageClassName }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ $persistence.size }}
{{- end }}

{{- /* Takes (list root component budget). A pod that is not healthy may always go. */}}
{{- define "assay.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "assay.fullname" (index . 0) }}-{{ index . 1 }}
  namespace: {{ (index . 0).Release.Namespace }}
  labels: {{ include "assay.labels" (list (index . 0) (index . 1)) | nindent 4 }}
spec:
  maxUnavailable: {{ (index . 2).maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{ include "assay.selector" (list (index . 0) (index . 1)) | nindent 6 }}
{{- end }}

{{- /* A file of the chart, whose links lead to where the operator has docs and dashboards. Takes (list root path). */}}
{{- define "assay.linked" -}}
{{- $monitoring := (index . 0).Values.monitoring -}}
{{ (index . 0).Files.Get (index . 1) | replace "https://assay.example.com" $monitoring.docsUrl | replace "https://grafana.example.com" $monitoring.grafanaUrl }}
{{- end }}
