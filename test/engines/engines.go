package main

// The configurations are those of docs/engines.md, and what a sandbox without a network needs.

var engines = []*engine{
	{
		name: "podman", scripts: "client", programs: []string{"podman", "conmon", "catatonit"}, version: "podman --version",
		files:  containersFiles,
		load:   "podman load -q -i /run/image.tar",
		client: [2]string{"engine", "podman"},
		kept:   []string{"libpod_parent", "libpod_parent/conmon", "/var/lib/containers/storage/overlay"},
		reset:  "podman unpause -a; podman rm -fa -t 0",
	},
	{
		name: "buildah", scripts: "buildah", programs: []string{"buildah"}, version: "buildah --version",
		files:  containersFiles,
		load:   "buildah pull -q docker-archive:/run/image.tar",
		client: [2]string{"buildah", "buildah"},
		kept:   []string{"buildah", "/var/lib/containers/storage/overlay"},
		reset:  "buildah rm -a",
	},
	containerdBy("containerd", containerdConfig2, false),
	criBy("cri", containerdConfig2, false, "/usr/lib/cni/bridge"),
	containerdBy("containerd2", containerdConfig3, true),
	criBy("cri2", containerdConfig3, true),
	{
		name: "nerdctl", scripts: "client", built: true, programs: []string{"nerdctl", "containerd", "containerd-shim-runc-v2"}, version: "nerdctl --version",
		files: map[string]string{
			"/etc/containerd/config.toml": containerdConfig3, "/etc/nerdctl/nerdctl.toml": "cgroup_manager = \"cgroupfs\"\n", "/run/bin/nerdctl-tried": nerdctlTried,
		},
		daemons: [][]string{{"containerd"}},
		ready:   "nerdctl version",
		load:    "nerdctl load -q -i /run/image.tar",
		client:  [2]string{"engine", "/run/bin/nerdctl-tried"},
		kept:    []string{"default"},
		reset:   "nerdctl ps -aq | xargs -r nerdctl rm -f",
		lacks: map[string]string{
			"attach": "start takes no input", "build": "BuildKit is not here", "checkpoint": "there is no such command", "health": "there are no health checks",
		},
	},
	dockerBy("docker", false, nil, "docker-init"),
	dockerBy("docker2", true, map[string]string{"checkpoint": "start finds that containerd has the checkpoint already"}),
}

// dockerBy is Docker: the host's, or a daemon that is built, with the containerd that is. others are further programs.
func dockerBy(name string, built bool, lacks map[string]string, others ...string) *engine {
	return &engine{
		name: name, scripts: "client", built: built, programs: append([]string{"dockerd", "containerd"}, others...), version: "dockerd --version",
		files:   map[string]string{"/etc/docker/daemon.json": dockerConfig},
		daemons: [][]string{{"dockerd"}},
		ready:   "docker version",
		load:    "docker load -q -i /run/image.tar",
		client:  [2]string{"engine", "docker"},
		kept:    []string{"docker", "docker/buildkit", "/run/docker/netns/default"},
		reset:   "docker ps -aq | xargs -r docker rm -f",
		lacks:   lacks,
	}
}

// containerdBy is containerd as ctr drives it: the host's, or one that is built.
func containerdBy(name, config string, built bool) *engine {
	return &engine{
		name: name, scripts: "ctr", built: built, programs: []string{"containerd", "ctr", "containerd-shim-runc-v2"}, version: "containerd --version",
		files:   map[string]string{"/etc/containerd/config.toml": config},
		daemons: [][]string{{"containerd"}},
		ready:   "ctr version",
		load:    "ctr images import /run/image.tar",
		client:  [2]string{"ctr", "ctr"},
		kept:    []string{"default"},
		reset:   "ctr tasks ls -q | xargs -r ctr tasks rm -f; ctr containers ls -q | xargs -r ctr containers rm",
	}
}

// criBy is containerd as Kubernetes drives it. plugins are what the host has to have beside it.
func criBy(name, config string, built bool, plugins ...string) *engine {
	return &engine{
		name: name, scripts: "cri", built: built, programs: append([]string{"containerd", "ctr", "containerd-shim-runc-v2", "crictl"}, plugins...), version: "containerd --version",
		files:   criFiles(config),
		daemons: [][]string{{"containerd"}},
		ready:   "crictl version",
		load:    "ctr -n k8s.io images import /run/image.tar && ctr -n k8s.io images import /run/pause.tar",
		client:  [2]string{"crictl", "crictl"},
		kept:    []string{"k8s.io", "pods"},
		reset:   "crictl rmp -fa",
	}
}

const containersConf = `[containers]
netns = "none"
init_path = "/usr/bin/catatonit"
log_driver = "k8s-file"
# The host may lack CAP_SYS_RESOURCE.
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "tried"
runtime_supports_json = ["tried"]
[engine.runtimes]
tried = ["RUNTIME"]
`

var containersFiles = map[string]string{
	"/etc/containers/containers.conf": containersConf,
	"/etc/containers/policy.json":     `{"default": [{"type": "insecureAcceptAnything"}]}`,
	"/etc/containers/registries.conf": "unqualified-search-registries = []\n",
	"/etc/containers/storage.conf":    "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n",
}

const containerdConfig2 = `version = 2
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "tried"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.tried]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.tried.options]
    BinaryName = "RUNTIME"
`

const containerdConfig3 = `version = 3
[plugins.'io.containerd.internal.v1.opt']
  path = '/run/containerd/opt'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = 'localhost/pause:1'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'tried'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tried]
  runtime_type = 'io.containerd.runc.v2'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tried.options]
    BinaryName = 'RUNTIME'
`

func criFiles(config string) map[string]string {
	return map[string]string{
		"/etc/containerd/config.toml": config,
		"/etc/cni/net.d/10-pods.conflist": `{"cniVersion": "0.4.0", "name": "pods", "plugins": [
			{"type": "bridge", "bridge": "pods", "ipam": {"type": "host-local", "subnet": "10.88.0.0/16"}}]}`,
		"/run/crictl.yaml": "runtime-endpoint: unix:///run/containerd/containerd.sock\nimage-endpoint: unix:///run/containerd/containerd.sock\ntimeout: 60\n",
	}
}

// nerdctlTried names the runtime for each container, for which nerdctl has no setting; nor has it one for the network.
const nerdctlTried = `#!/bin/sh
command=$1
shift
case $command in
run | create)
	case " $*" in
	*" --network "*) ;;
	*) set -- --network none "$@" ;;
	esac
	case " $*" in
	*" --init "*) set -- --init-binary tini-static "$@" ;;
	esac
	set -- --runtime RUNTIME "$@"
	;;
esac
exec nerdctl $command "$@"
`

const dockerConfig = `{
	"runtimes": {"tried": {"path": "RUNTIME"}},
	"default-runtime": "tried",
	"iptables": false,
	"bridge": "none",
	"experimental": true
}
`
