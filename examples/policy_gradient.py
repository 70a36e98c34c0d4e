"""A policy that learns to balance a pole, by its gradient: `pip install "flambeau[rl]"`, then

    python examples/policy_gradient.py

An episode of CartPole gives 1 for each step until the pole falls, 500 at most. The network gives
logits of the two actions, `Categorical` draws one. The logarithm of its probability is made larger
where what followed was better than expected, which a second head of the network estimates
(REINFORCE with a baseline: Williams, 1992). The program fails below its score.
"""

import argparse
import sys

import flambeau as torch
from flambeau import nn
from flambeau.distributions import Categorical

try:
    import gymnasium
except ImportError:
    sys.exit('this program needs gymnasium: pip install "flambeau[rl]"')

WANTED = 195.0  # the mean of the last 20 episodes


class Policy(nn.Module):
    """Logits of the actions, and what is expected to follow."""

    def __init__(self, seen: int, actions: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(seen, 64), nn.Tanh())
        self.logits = nn.Linear(64, actions)
        self.value = nn.Linear(64, 1)

    def forward(self, x):
        hidden = self.body(x)
        return Categorical(logits=self.logits(hidden)), self.value(hidden).squeeze(-1)


def play(env, policy: Policy, seed: int):
    """One episode: what was seen, what was done, what it gave."""
    observation, _ = env.reset(seed=seed)
    seen, done, rewards = [], [], []
    over = False
    while not over:
        seen.append(torch.as_tensor(observation))
        with torch.no_grad():
            action = policy(seen[-1])[0].sample()
        observation, reward, fallen, ended, _ = env.step(action.item())
        done.append(action)
        rewards.append(reward)
        over = fallen or ended
    return torch.stack(seen), torch.stack(done), rewards


def returns(rewards: list[float], discount: float):
    """What followed each step, later steps counting less."""
    found, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + discount * total
        found.append(total)
    return torch.tensor(found[::-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    env = gymnasium.make("CartPole-v1")
    policy = Policy(4, 2)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    scores: list[float] = []
    for episode in range(arguments.episodes):
        seen, done, rewards = play(env, policy, seed=arguments.seed * 10000 + episode)
        followed = returns(rewards, 0.99)
        followed = (followed - followed.mean()) / (followed.std() + 1e-6)
        chosen, expected = policy(seen)
        better = (followed - expected).detach()
        loss = -(chosen.log_prob(done) * better).mean() - 0.01 * chosen.entropy().mean()
        loss = loss + 0.5 * nn.functional.mse_loss(expected, followed)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        scores.append(sum(rewards))
        recent = sum(scores[-20:]) / len(scores[-20:])
        if episode % 20 == 19:
            print(f"episode {episode + 1}: {recent:.1f} steps on average", flush=True)
        if len(scores) >= 20 and recent >= WANTED:
            break
    print(f"score {recent:.1f} after {len(scores)} episodes (wanted: {WANTED})")
    return 0 if recent >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
