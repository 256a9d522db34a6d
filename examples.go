package main

// example is a command line behind the name of the program, and what it does.
type example struct{ about, line string }

// examples are what the help and the manual page of a command end with; "" is the program itself.
func examples(command string) []example {
	switch command {
	case "":
		return []example{
			{"a shell in a container of the host's own root filesystem, read-only", "run -t /bin/bash"},
			{"the containers, and what they use", "list"},
			{"the same, refreshed in place", "stats"},
		}
	case "check":
		return []example{
			{"all that is wrong or doubtful with the bundle in this directory", "check"},
			{"for a program to read", "check --bundle /srv/box --format json"},
			{"what this machine can do", "check --host"},
		}
	case "checkpoint":
		return []example{
			{"save a container and end it", "checkpoint --image-path /srv/images box"},
			{"save it and let it run on", "checkpoint --image-path /srv/images --leave-running box"},
			{"the memory first, while it runs on", "checkpoint --pre-dump --image-path /srv/images/1 box"},
			{"and then all that has changed since: it stands still for a shorter time", "checkpoint --parent-path ../1 --image-path /srv/images/2 box"},
			{"all but the memory, which is fetched later", "checkpoint --lazy-pages --page-server 10.0.0.1:27000 --image-path /srv/images box"},
		}
	case "completion":
		return []example{
			{"in ~/.bashrc", "completion bash >~/.mydocker.bash; source ~/.mydocker.bash"},
			{"in ~/.zshrc, behind compinit", "completion zsh >~/.mydocker.zsh; source ~/.mydocker.zsh"},
			{"once, for fish", "completion fish >~/.config/fish/completions/mydocker.fish"},
		}
	case "create":
		return []example{
			{"the container of a bundle, without a terminal (process.terminal is false)", "create --bundle /srv/box box"},
			{"with one, which is handed to whoever listens on a socket", "create --bundle /srv/box --console-socket /tmp/tty.sock box"},
		}
	case "delete":
		return []example{
			{"one that has stopped", "delete box"},
			{"one in whatever state", "delete --force box"},
		}
	case "events":
		return []example{
			{"statistics now", "events --stats box"},
			{"every ten seconds, with kills for want of memory in between", "events --interval 10s box"},
		}
	case "exec":
		return []example{
			{"a shell in a terminal", "exec -t box /bin/sh"},
			{"as another user, in the background", "exec --detach --user 1000:1000 --cwd /tmp box sleep 60"},
			{"a process of a document", "exec --process process.json box"},
		}
	case "explain":
		return []example{
			{"what create would do with the bundle in this directory", "explain"},
			{"what this run would do", "explain --rootfs /srv/debian --memory 64m -- sh"},
			{"for a program to read", "explain --bundle /srv/box --format json"},
		}
	case "features":
		return []example{{"what this program knows", "features"}}
	case "kill":
		return []example{
			{"ask its process to end", "kill box"},
			{"end it", "kill box KILL"},
			{"is it there?", "kill box 0"},
		}
	case "list":
		return []example{
			{"a table", "list"},
			{"for a program to read", "list --format json"},
			{"of another directory", "--root /run/user/1000/mydocker list --quiet"},
		}
	case "pause":
		return []example{{"stop all its processes for a while", "pause box"}}
	case "ps":
		return []example{
			{"its processes", "ps box"},
			{"other columns", "ps box -eo pid,stat,rss,args"},
			{"their numbers", "ps --format json box"},
		}
	case "restore":
		return []example{
			{"go on with what checkpoint has saved", "restore --bundle /srv/box --image-path /srv/images box"},
			{"go on there while `criu lazy-pages --page-server --address 10.0.0.1 --port 27000 -D /srv/images -W /srv/work` fetches the memory", "restore --bundle /srv/box --lazy-pages --image-path /srv/images --work-path /srv/work box"},
		}
	case "resume":
		return []example{{"let its processes go on", "resume box"}}
	case "run":
		return []example{
			{"the container of a bundle", "run --bundle /srv/box box"},
			{"a shell in the host's root filesystem, read-only", "run -t /bin/bash"},
			{"in another one, with limits and a volume", "run -t --rootfs /srv/debian --memory 64m --cpus 0.5 -v ./data:/data box -- sh -l"},
			{"in the background", "run --detach --rootfs / box -- sleep 600"},
		}
	case "spec":
		return []example{
			{"a config.json in this directory", "spec"},
			{"one for another directory and program", "spec --bundle /srv/box --memory 64m -- /bin/httpd -f"},
			{"one that needs no root", "spec --rootless"},
		}
	case "start":
		return []example{{"let the process of a created container run", "start box"}}
	case "state":
		return []example{{"how it is", "state box"}}
	case "stats":
		return []example{
			{"all containers, refreshed in place", "stats"},
			{"once, those with the most memory first", "stats --no-stream --sort memory"},
			{"for a program to read, every five seconds", "stats --format json --interval 5s box"},
		}
	case "update":
		return []example{
			{"more memory and half a CPU", "update --memory 128m --cpu-period 100000 --cpu-quota 50000 box"},
			{"what a document says", "update --resources limits.json box"},
		}
	}
	return nil
}
