#!/bin/bash
# zis info, synth, selftest, version, bench: their fixed forms.
. "$(dirname "$0")/lib/common.bash" "$@"
nano=$src/models/nano

ok "a file" "$zis" info --json "$nano/turbo/transformer/diffusion_pytorch_model.safetensors"
has out '"recognised": "Z-Image transformer", "layout": "diffusers", "type": "BF16"'
has out '{"name": "all_x_embedder.2-1.weight", "shape": \[384, 64\], "type": "BF16", "bytes": 49152}'
ok "a folder" "$zis" info --json "$nano/turbo"
has out '"recognised": "Qwen3 text encoder"'
has out '"recognised": "FLUX VAE", "layout": "diffusers"'
ok "a LoRA" "$zis" info "$nano/lora/sepia.safetensors"
has out "LoRA"
ok "a control file" "$zis" info "$nano/controlnet/nano-controlnet-union-2.1.safetensors"
has out "Z-Image ControlNet"
ok "version" "$zis" version
has out "^Z-Image Studio, zis [0-9]"
for command in generate preprocess models info bench selftest synth version; do
    ok "help of $command" "$zis" help $command
    has out "^Usage: zis $command"
    cp out page
    ok "--help of $command" "$zis" $command --help
    cmp -s out page || fail "help $command and $command --help differ"
done
bad 2 "does not know 'dept'; it may be: draw, text" "$zis" bench --stages draw,dept
ok "bench of a preprocessor" "$zis" bench --stages preprocess_canny --json
has out '"stage": "preprocess_canny", "seconds"'
[ "$(grep -c '"stage"' out)" = 1 ] || fail "one stage was asked for: $(cat out)"
ok "bench" "$zis" bench -W 32 -H 32 --steps 2 -t 1 --stages draw --json
for key in '"machine": {"cpu": ' '"threads": 1' '"peak_gflops_f32": ' '"model": "nano-turbo"' \
    '"width": 32' '"dtype": "' '"stage": "text", "seconds": \[' '"stage": "embed"' \
    '"stage": "step", "seconds": \[[0-9.]*, [0-9.]*\], "gflop": ' '"stage": "decode"' \
    '"stage": "encode"' '"stage": "total"' '"share_of_peak": ' '"peak_memory_bytes": '; do
    has out "$key"
done
if [ -z "$sanitized" ]; then
    ok "synth" "$zis" synth vae vae --type bf16 -q
    ok "what synth wrote" "$zis" info --json vae
    has out '"recognised": "FLUX VAE", "layout": "diffusers", "type": "BF16", "mixed": false, "bytes": 167639366'
    ok "synth file" "$zis" synth vae vae.safetensors -q
    [ -f vae.safetensors ] || fail "no vae.safetensors"
fi
finish
