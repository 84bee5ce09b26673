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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
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

{{/* Something, if the state is a database that several processes share; nothing, if it is a file or memory. */}}
{{- define "lychgate.shared" -}}
{{- $address := .Values.config.state -}}
{{- if kindIs "map" $address -}}{{- $address = $address.url -}}{{- end -}}
{{- if regexMatch "^postgres(ql)?://" (toString $address) -}}{{ $address }}{{- end -}}
{{- end -}}

{{/* Ports of the database's hosts, as JSON; there may be several hosts, with commas between them. */}}
{{- define "lychgate.databasePorts" -}}
{{- $ports := list -}}
{{- $hosts := regexReplaceAll "^[a-z]+://([^/@]*@)?([^/?]*).*$" (include "lychgate.shared" .) "${2}" -}}
{{- range splitList "," $hosts -}}
{{- $ports = append $ports (int (regexFind ":[0-9]+$" . | trimPrefix ":" | default "5432")) -}}
{{- end -}}
{{- $ports | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* How many replicas there are at least. */}}
{{- define "lychgate.replicas" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled -}}
{{- end -}}

{{/* Something, if an application asks us: it redeems codes (oidc), asks its Crowd server, or takes its users from us. */}}
{{- define "lychgate.landed" -}}
{{- range $name, $application := .Values.config.applications -}}
{{- $landing := $application.landing | default dict -}}
{{- $header := or (eq (default "" $landing.type) "header") (and (not $landing.type) (or $landing.header $landing.proof)) -}}
{{- if or (not $header) (dig "accounts" "directory" false $application) -}}
{{ $name }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A duration of the configuration in seconds: 90, 30s, 1h30m. */}}
{{- define "lychgate.seconds" -}}
{{- $sum := 0 -}}
{{- if kindIs "string" . -}}
{{- range $unit, $worth := dict "d" 86400 "h" 3600 "m" 60 "s" 1 -}}
{{- $sum = add $sum (mul $worth (regexFind (printf "[0-9]+%s" $unit) $ | trimSuffix $unit | default "0" | int)) -}}
{{- end -}}
{{- else -}}
{{- $sum = int . -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* Longer than the program takes to end: its drain, twice SHUTDOWN in web/server.py, and a rest for the state. */}}
{{- define "lychgate.grace" -}}
{{- $least := add 30 (include "lychgate.seconds" .Values.config.listen.drain | int) -}}
{{- $grace := .Values.terminationGracePeriodSeconds | default (add $least 10) -}}
{{- if le (int $grace) (int $least) -}}
{{- fail (printf "terminationGracePeriodSeconds: %v is too short: listen.drain and what is in flight take up to %v; leave it out, or write more" $grace $least) -}}
{{- end -}}
{{- $grace -}}
{{- end -}}

{{/* What of the configuration counts from the next start only; the rest the gate follows by itself (config/settled.py):
where secrets are, and what decisions read. Usernames are kept, because another claim may have to be asked of the
provider. */}}
{{- define "lychgate.settled" -}}
{{- $settled := omit (deepCopy .Values.config) "trusted_proxies" "sessions" "portals" "cookie_keys" "assertion_key" "audit" -}}
{{- with omit (.Values.config.audit | default dict) "key" -}}
{{- $_ := set $settled "audit" . -}}
{{- end -}}
{{- range $name, $provider := $settled.providers -}}
{{- $_ := set $settled.providers $name (omit $provider "client_secret" "client_secret_ends" "client_key" "client_key_id" "client_key_thumbprint") -}}
{{- end -}}
{{- range $name, $application := $settled.applications -}}
{{- $owner := dig "api" "pat_owner" "resolve" $application -}}
{{- $kept := omit $application "api" "semicolons" "encoded_slashes" -}}
{{- with $application.landing -}}
{{- $_ := set $kept "landing" (omit . "secret" "client_secret") -}}
{{- end -}}
{{- with $application.accounts -}}
{{- $_ := set $kept "accounts" (omit . "adopt" "create" "reactivate" "update" "groups" "removals_per_hour") -}}
{{- end -}}
{{- $_ := set $settled.applications $name (merge (dict "pat_owner" $owner) $kept) -}}
{{- end -}}
{{- toYaml $settled -}}
{{- end -}}

{{/* What no schema can say, in the program's way: the key, what is wrong, what to do. */}}
{{- define "lychgate.check" -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- if and $several (not (include "lychgate.shared" .)) -}}
{{- fail (printf "%s: several replicas need a state that they share; write config.state: postgresql://…, or leave one replica" (ternary "autoscaling.enabled" "replicaCount" .Values.autoscaling.enabled)) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) -}}
{{- fail "autoscaling.maxReplicas: is less than minReplicas; write as many or more" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "podMonitor.enabled: is on beside serviceMonitor, and everything would be counted twice; switch one of them off" -}}
{{- end -}}
{{- if and .Values.tests.signIn.enabled (not .Values.tests.signIn.image) -}}
{{- fail "tests.signIn.image: is missing; name the image that was built from the target trial" -}}
{{- end -}}
{{- $egress := .Values.networkPolicy.egress -}}
{{- if and .Values.networkPolicy.enabled $egress.enabled (not $egress.upstreamTo) -}}
{{- fail "networkPolicy.egress.upstreamTo: is missing: the gate would not reach its applications; name their pods" -}}
{{- end -}}
{{- end -}}

{{/* Where each application has its front door, and whether it is in force, as JSON. */}}
{{- define "lychgate.doors" -}}
{{- $doors := list -}}
{{- range $name, $portal := .Values.config.portals -}}
{{- $application := get $.Values.config.applications $portal.application -}}
{{- if and $portal.default $application -}}
{{- $url := urlParse $application.url -}}
{{- $doors = append $doors (dict "host" $url.host "path" (trimSuffix "/" $url.path) "https" (eq $url.scheme "https") "enforced" (eq "enforce" ($portal.mode | default "enforce"))) -}}
{{- end -}}
{{- end -}}
{{- $doors | toJson -}}
{{- end -}}

{{/* Ports of every http address in the configuration but the way to the applications, as JSON; 443 in any case. */}}
{{- define "lychgate.outsidePorts" -}}
{{- $rest := deepCopy .Values.config -}}
{{- range $name, $application := $rest.applications -}}
{{- $_ := set $rest.applications $name (omit $application "url" "upstream" "landing") -}}
{{- end -}}
{{- $ports := list 443 -}}
{{- range regexFindAll "https?://[^\\\"/]+" (toJson $rest) -1 -}}
{{- $named := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- $ports = append $ports (int (default (ternary "443" "80" (hasPrefix "https:" .)) $named)) -}}
{{- end -}}
{{- $ports | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- define "lychgate.mounts" -}}
- {name: config, mountPath: /etc/lychgate, readOnly: true}
{{- if not (include "lychgate.shared" .) }}
- {name: state, mountPath: /var/lib/lychgate}
{{- end }}
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
