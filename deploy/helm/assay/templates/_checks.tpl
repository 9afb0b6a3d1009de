{{- /* Values that contradict each other, each with a sentence. What is wrong by itself is the schema's. */}}
{{- define "assay.checks" -}}
{{- $config := .Values.config -}}
{{- if not $config.brokers }}{{ fail "config.brokers is not set: give Kafka's bootstrap servers, as in config.brokers: kafka-0:9092,kafka-1:9092" }}{{ end -}}
{{- $keys := 0 -}}
{{- if .Values.pseudonymKey.existingSecret }}{{ $keys = add1 $keys }}{{ end -}}
{{- if .Values.pseudonymKey.value }}{{ $keys = add1 $keys }}{{ end -}}
{{- if $config.insecure_dev_key }}{{ $keys = add1 $keys }}{{ end -}}
{{- if eq (int $keys) 0 }}{{ fail "there is no key for the pseudonyms of people: make a Secret with at least 16 random bytes and name it in pseudonymKey.existingSecret" }}{{ end -}}
{{- if gt (int $keys) 1 }}{{ fail "pseudonymKey.existingSecret, pseudonymKey.value and config.insecure_dev_key exclude each other: keep exactly one of them" }}{{ end -}}
{{- if and .Values.prices.book .Values.prices.existingConfigMap }}{{ fail "prices.book and prices.existingConfigMap exclude each other: keep one of them" }}{{ end -}}
{{- if .Values.policy.prices }}{{ fail "policy.prices names a file, and no such file is in the pod: use prices.book or prices.existingConfigMap" }}{{ end -}}
{{- if and .Values.topics.apply .Values.strimzi.topics.enabled }}{{ fail "topics.apply and strimzi.topics.enabled would both manage the topics: set topics.apply to false" }}{{ end -}}
{{- if and (or .Values.strimzi.topics.enabled .Values.strimzi.user.enabled) (not .Values.strimzi.cluster) }}{{ fail "strimzi.cluster is not set: give the name of the Kafka object that the topics and the user belong to" }}{{ end -}}
{{- if .Values.keda.enabled }}
{{- if eq $config.processing_guarantee "at_least_once" }}{{ fail "keda.enabled needs config.processing_guarantee: exactly_once, as the other one commits no offsets that KEDA could see" }}{{ end -}}
{{- if gt (int .Values.keda.maxReplicas) (int $config.partitions) }}{{ fail (printf "keda.maxReplicas (%d) is more than config.partitions (%d), and further workers would only stand by: lower it" (int .Values.keda.maxReplicas) (int $config.partitions)) }}{{ end -}}
{{- if gt (int .Values.keda.minReplicas) (int .Values.keda.maxReplicas) }}{{ fail "keda.minReplicas is more than keda.maxReplicas: lower it" }}{{ end -}}
{{- end -}}
{{- with .Values.ingest -}}
{{- if .enabled }}
{{- if and (not .sources) (not .credentials.existingSecret) }}{{ fail "nobody may post: give ingest.sources, or a Secret with a key sources.yaml in ingest.credentials.existingSecret" }}{{ end -}}
{{- if and .sources (not .credentials.existingSecret) }}{{ fail "ingest.sources names files of secrets, and there are none: name the Secret that holds them in ingest.credentials.existingSecret" }}{{ end -}}
{{- if and .linking (not .sources) }}{{ fail "ingest.linking stands in the file of sources, which your Secret holds: write it there, or give ingest.sources" }}{{ end -}}
{{- if .autoscaling.enabled }}
{{- if gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas) }}{{ fail "ingest.autoscaling.minReplicas is more than ingest.autoscaling.maxReplicas: lower it" }}{{ end -}}
{{- if not (dig "requests" "cpu" "" .resources) }}{{ fail "ingest.autoscaling measures CPU by the request: set ingest.resources.requests.cpu" }}{{ end -}}
{{- end -}}
{{- if and .ingress.enabled (not .ingress.host) }}{{ fail "ingest.ingress.host is not set: give the host name that systems post to" }}{{ end -}}
{{- else if .ingress.enabled }}{{ fail "ingest.ingress.enabled without ingest.enabled: there would be nothing behind it" }}{{ end -}}
{{- end -}}
{{- with .Values.console -}}
{{- if .enabled }}
{{- if not (or .tokenSecret (dig "console" "identity_header" "" $config) (dig "console" "insecure_no_auth" false $config)) }}{{ fail "nobody says who may look at the console: name a Secret with tokens in console.tokenSecret, or set config.console.identity_header where an identity proxy stands before it" }}{{ end -}}
{{- if and .ingress.enabled (not .ingress.host) }}{{ fail "console.ingress.host is not set: give the host name that people look at" }}{{ end -}}
{{- else if .ingress.enabled }}{{ fail "console.ingress.enabled without console.enabled: there would be nothing behind it" }}{{ end -}}
{{- end -}}
{{- $urls := dict "alertmanager" (dig "alertmanager" "url" "" $config) "webhook" (dig "webhook" "url" "" $config) -}}
{{- range $name, $url := $urls }}
{{- $bridge := index $.Values.forward $name -}}
{{- if $bridge.enabled }}
{{- if and (not $url) (not $bridge.urlSecret) }}{{ fail (printf "forward.%s.enabled without a URL: set config.%s.url, or forward.%s.urlSecret" $name $name $name) }}{{ end -}}
{{- if and $url $bridge.urlSecret }}{{ fail (printf "config.%s.url and forward.%s.urlSecret exclude each other: keep one of them" $name $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.forward.webhook.enabled (not .Values.forward.webhook.signingSecret) }}{{ fail "forward.webhook.signingSecret is not set: without a signature a receiver cannot know who posts" }}{{ end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) (or $config.schema_registry_url .Values.forward.alertmanager.enabled .Values.forward.webhook.enabled) }}{{ fail "networkPolicy.enabled shuts the way to the schema registry and to receivers of alerts: open it in networkPolicy.extraEgress" }}{{ end -}}
{{- end }}
