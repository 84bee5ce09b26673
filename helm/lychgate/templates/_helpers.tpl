{{- define "lychgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "lychgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "lychgate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "lychgate.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "lychgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lychgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lychgate.labels" -}}
{{ include "lychgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "lychgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "lychgate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "lychgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "lychgate.claim" -}}
{{- .Values.persistence.existingClaim | default (printf "%s-state" (include "lychgate.fullname" .)) -}}
{{- end -}}

{{/* Hosts of the applications, as JSON: an Ingress must name what the gate answers to. */}}
{{- define "lychgate.hosts" -}}
{{- $hosts := list -}}
{{- range $name, $application := .Values.config.applications -}}
{{- $hosts = append $hosts (regexReplaceAll ":[0-9]+$" (urlParse $application.url).host "") -}}
{{- end -}}
{{- $hosts | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- define "lychgate.mounts" -}}
- {name: config, mountPath: /etc/lychgate, readOnly: true}
- {name: state, mountPath: /var/lib/lychgate}
- {name: tmp, mountPath: /tmp}
{{- range .Values.secrets }}
- {name: {{ printf "secret-%s" . | trunc 63 | trimSuffix "-" }}, mountPath: /run/secrets/{{ . }}, readOnly: true}
{{- end }}
{{- range .Values.configMaps }}
- {name: {{ printf "files-%s" . | trunc 63 | trimSuffix "-" }}, mountPath: /etc/lychgate-files/{{ . }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
