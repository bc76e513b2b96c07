module temper.test/host

go 1.24.9

require (
	github.com/argoproj/argo-rollouts v1.5.0
	github.com/hashicorp/go-plugin v1.4.9
	github.com/hashicorp/yamux v0.0.0-20180604194846-3520598351bb
	golang.org/x/net v0.8.0
	golang.org/x/sync v0.0.0-20201020160332-67f06af15bc9
	golang.org/x/sys v0.7.0
	k8s.io/apimachinery v0.25.8
	k8s.io/client-go v0.25.8
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/emicklei/go-restful/v3 v3.10.1 // indirect
	github.com/fatih/color v1.7.0 // indirect
	github.com/ghodss/yaml v1.0.1-0.20190212211648-25d852aebe32 // indirect
	github.com/go-logr/logr v1.2.4 // indirect
	github.com/go-openapi/jsonpointer v0.19.5 // indirect
	github.com/go-openapi/jsonreference v0.20.0 // indirect
	github.com/go-openapi/swag v0.21.1 // indirect
	github.com/gogo/protobuf v1.3.2 // indirect
	github.com/golang/protobuf v1.5.3 // indirect
	github.com/google/gnostic v0.6.9 // indirect
	github.com/google/go-cmp v0.5.9 // indirect
	github.com/google/gofuzz v1.2.0 // indirect
	github.com/hashicorp/go-hclog v0.14.1 // indirect
	github.com/josharian/intern v1.0.0 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/mailru/easyjson v0.7.7 // indirect
	github.com/mattn/go-colorable v0.1.12 // indirect
	github.com/mattn/go-isatty v0.0.14 // indirect
	github.com/mitchellh/go-testing-interface v1.0.0 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/oklog/run v1.0.0 // indirect
	github.com/sirupsen/logrus v1.9.0 // indirect
	golang.org/x/oauth2 v0.5.0 // indirect
	golang.org/x/term v0.6.0 // indirect
	golang.org/x/text v0.8.0 // indirect
	golang.org/x/time v0.3.0 // indirect
	google.golang.org/appengine v1.6.7 // indirect
	google.golang.org/genproto v0.0.0-20230110181048-76db0878b65f // indirect
	google.golang.org/grpc v1.54.0 // indirect
	google.golang.org/protobuf v1.30.0 // indirect
	gopkg.in/inf.v0 v0.9.1 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
	k8s.io/api v0.25.8 // indirect
	k8s.io/klog/v2 v2.80.1 // indirect
	k8s.io/kube-openapi v0.0.0-20221012153701-172d655c2280 // indirect
	k8s.io/utils v0.0.0-20230406110748-d93618cff8a2 // indirect
	sigs.k8s.io/json v0.0.0-20220713155537-f223a00ba0e2 // indirect
	sigs.k8s.io/structured-merge-diff/v4 v4.2.3 // indirect
	sigs.k8s.io/yaml v1.3.0 // indirect
)

// As argo-rollouts replaces them, since replacements do not pass on to those who require it.
replace (
	github.com/go-check/check => github.com/go-check/check v0.0.0-20180628173108-788fd7840127
	k8s.io/api v0.0.0 => k8s.io/api v0.25.8
	k8s.io/apiextensions-apiserver v0.0.0 => k8s.io/apiextensions-apiserver v0.25.8
	k8s.io/apimachinery v0.0.0 => k8s.io/apimachinery v0.25.8
	k8s.io/apiserver v0.0.0 => k8s.io/apiserver v0.25.8
	k8s.io/cli-runtime v0.0.0 => k8s.io/cli-runtime v0.25.8
	k8s.io/client-go v0.0.0 => k8s.io/client-go v0.25.8
	k8s.io/cloud-provider v0.0.0 => k8s.io/cloud-provider v0.25.8
	k8s.io/cluster-bootstrap v0.0.0 => k8s.io/cluster-bootstrap v0.25.8
	k8s.io/code-generator v0.0.0 => k8s.io/code-generator v0.25.8
	k8s.io/component-base v0.0.0 => k8s.io/component-base v0.25.8
	k8s.io/component-helpers v0.0.0 => k8s.io/component-helpers v0.25.8
	k8s.io/controller-manager v0.0.0 => k8s.io/controller-manager v0.25.8
	k8s.io/cri-api v0.0.0 => k8s.io/cri-api v0.25.8
	k8s.io/csi-translation-lib v0.0.0 => k8s.io/csi-translation-lib v0.25.8
	k8s.io/kube-aggregator v0.0.0 => k8s.io/kube-aggregator v0.25.8
	k8s.io/kube-controller-manager v0.0.0 => k8s.io/kube-controller-manager v0.25.8
	k8s.io/kube-proxy v0.0.0 => k8s.io/kube-proxy v0.25.8
	k8s.io/kube-scheduler v0.0.0 => k8s.io/kube-scheduler v0.25.8
	k8s.io/kubectl v0.0.0 => k8s.io/kubectl v0.25.8
	k8s.io/kubelet v0.0.0 => k8s.io/kubelet v0.25.8
	k8s.io/legacy-cloud-providers v0.0.0 => k8s.io/legacy-cloud-providers v0.25.8
	k8s.io/metrics v0.0.0 => k8s.io/metrics v0.25.8
	k8s.io/mount-utils v0.0.0 => k8s.io/mount-utils v0.25.8
	k8s.io/pod-security-admission v0.0.0 => k8s.io/pod-security-admission v0.25.8
	k8s.io/sample-apiserver v0.0.0 => k8s.io/sample-apiserver v0.25.8
)
